import { defineFunction, type UnnamedFunction } from '../../model/define/index.ts';
import { fsFunctions } from './kumo.fs.ts';
import { serdeFunctions } from './kumo.serde.ts';
import { timeFunctions } from './kumo.time.ts';

/** Old names, kept because policies use them. */
function alias(newName: string, declaration: UnnamedFunction): UnnamedFunction {
  return { ...declaration, doc: `Old name of ${newName}.` };
}

const SERDE = [
  'json_encode',
  'json_encode_pretty',
  'json_load',
  'json_parse',
  'toml_encode',
  'toml_encode_pretty',
  'toml_load',
  'toml_parse',
] as const;

export const deprecatedFunctions: Readonly<Record<string, UnnamedFunction>> = {
  ...Object.fromEntries(SERDE.map((name) => [name, alias(`kumo.serde.${name}`, serdeFunctions[name])])),
  glob: alias('kumo.fs.glob', fsFunctions.glob),
  uncached_glob: alias('kumo.fs.uncached_glob', fsFunctions.uncached_glob),
  read_dir: alias('kumo.fs.read_dir', fsFunctions.read_dir),
  sleep: alias('kumo.time.sleep', timeFunctions.sleep),
  set_timeq_spawn_reinsertion: defineFunction({
    doc: 'Does nothing; an old setting of KumoMTA.',
    call: () => {},
  }),
};
