export { Reception, type ReceptionAnswer, type ReceptionParts, type Transaction } from './reception.ts';
