export * from './directory.ts';
export * from './open-file.ts';
export * from './package-source.ts';
export * from './policy-file.ts';
export * from './product.ts';
export * from './script-file.ts';
