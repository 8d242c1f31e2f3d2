export type { ReceptionAnswer } from './answers.ts';
export { Reception, type ReceptionParts } from './reception.ts';
export type { InjectedAs } from './records.ts';
export type { Transaction } from './transaction.ts';
