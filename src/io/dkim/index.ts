export * from './signing-keys.ts';
export * from './signing-turns.ts';
