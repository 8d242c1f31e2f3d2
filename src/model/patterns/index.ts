export * from './pattern-map.ts';
export * from './policy-pattern.ts';
export { unsupportedPart } from './rust-syntax.ts';
