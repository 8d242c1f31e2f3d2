export type { AuthInfo, Origin } from './generator.ts';
export { Injection, type InjectionParts } from './injection.ts';
export { InjectionRefused } from './refusal.ts';
export { injectionSchema } from './request.ts';
