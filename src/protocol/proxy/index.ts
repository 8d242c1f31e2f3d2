export * from './proxy-header.ts';
