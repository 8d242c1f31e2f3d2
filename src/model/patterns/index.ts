export * from './pattern-map.ts';
export * from './policy-pattern.ts';
