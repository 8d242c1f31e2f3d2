export * from './package-source.ts';
export * from './policy-file.ts';
export * from './product.ts';
