export * from './address.ts';
export * from './cidr.ts';
export * from './octets.ts';
