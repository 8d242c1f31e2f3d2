export * from './listener-identities.ts';
