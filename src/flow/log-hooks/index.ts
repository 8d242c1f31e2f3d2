export { passesLogFilter } from './log-filter.ts';
export { LogHooks } from './log-hooks.ts';
export { type ConfiguredHooks, declaredHooks, type LogHookParts } from './parts.ts';
