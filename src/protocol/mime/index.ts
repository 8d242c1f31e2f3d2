export * from './date.ts';
export * from './encoded-word.ts';
export * from './fold.ts';
export * from './headers.ts';
