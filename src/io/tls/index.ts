export * from './authorities.ts';
export * from './client-tls.ts';
export * from './listener-identities.ts';
