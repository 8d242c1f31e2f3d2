import type { UnnamedFunction } from '../../model/define/index.ts';
import { serdeFunctions } from './kumo.serde.ts';
import { timeFunctions } from './kumo.time.ts';

/** Old names, kept because policies use them. */
function alias(newName: string, declaration: UnnamedFunction): UnnamedFunction {
  return { ...declaration, doc: `Old name of ${newName}.` };
}

export const deprecatedFunctions = {
  json_encode: alias('kumo.serde.json_encode', serdeFunctions.json_encode),
  json_encode_pretty: alias('kumo.serde.json_encode_pretty', serdeFunctions.json_encode_pretty),
  json_parse: alias('kumo.serde.json_parse', serdeFunctions.json_parse),
  json_load: alias('kumo.serde.json_load', serdeFunctions.json_load),
  sleep: alias('kumo.time.sleep', timeFunctions.sleep),
} satisfies Record<string, UnnamedFunction>;
