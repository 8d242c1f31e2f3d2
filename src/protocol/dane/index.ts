export * from './certificate-match.ts';
export * from './verify.ts';
