export type { AutomationAction, AutomationRule } from './automation.ts';
export { formatFinding, type ShapingFinding } from './findings.ts';
export {
  type LoadedShaping,
  loadShaping,
  type ShapingInput,
  type ShapingLevels,
  type ShapingSurroundings,
} from './load.ts';
export { type LogFacts, logFacts } from './match-rules.ts';
export type { Origin } from './origin.ts';
export {
  type LevelOption,
  SHAPING_LEVELS,
  type ShapingLevel,
  type ShapingRuleName,
  shapingRules,
} from './rules.ts';
export { type ExplainedOption, type PathParameters, Shaping } from './shaping.ts';
export { isRemoteName, ShapingFile } from './shaping-file.ts';
export { LastSites } from './site-look-up.ts';
