import { helpersDirectory, readWholeFile } from '../../io/files/index.ts';
import { sharedFile } from '../../lua/index.ts';
import {
  anyValue,
  defineFunction,
  defineModule,
  string,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import {
  formatJson,
  formatJsonPretty,
  type Json,
  type JsonWithFloats,
  parseJsonWithFloats,
} from '../../model/index.ts';
import { ShapingFile } from '../../model/shaping/index.ts';
import { formatToml, formatYaml, parseToml, parseYaml } from '../../model/texts/index.ts';

function parser(doc: string, parse: (text: string) => JsonWithFloats): UnnamedFunction {
  return defineFunction({ params: { text: string() }, returns: 'any', doc, call: ({ text }) => parse(text) });
}

/** What the reader of shaping files says of a text of that kind: the place of the mistake, and a picture of it. */
function mistakeIn(text: string, kind: '.toml' | '.json'): string | undefined {
  const { problem } = new ShapingFile(kind, text);
  return problem && `${problem.line}:${problem.column}: ${problem.reason}\n${problem.picture}`;
}

function loader(
  doc: string,
  parse: (text: string) => JsonWithFloats,
  kind?: '.toml' | '.json',
): UnnamedFunction {
  return defineFunction({
    params: { path: string() },
    returns: 'any',
    doc,
    call: async ({ path }, context) => {
      const file = sharedFile(path, helpersDirectory());
      const content = await readWholeFile(file);
      context.noteFile(file);
      const text = content.toString();
      try {
        return parse(text);
      } catch (error) {
        const mistake = kind && mistakeIn(text, kind);
        throw new Error(
          mistake === undefined ? `${path}: ${(error as Error).message}` : `${path}:${mistake}`,
        );
      }
    },
  });
}

function formatter(doc: string, format: (value: Json) => string): UnnamedFunction {
  return defineFunction({
    params: { value: anyValue() },
    returns: 'string',
    doc,
    call: ({ value }) => format(value),
  });
}

export const serdeFunctions = {
  json_parse: parser(
    'The value of a JSON text. Comments may stand in it; null becomes nil.',
    parseJsonWithFloats,
  ),
  json_load: loader('The value of a JSON file.', parseJsonWithFloats, '.json'),
  json_encode: formatter('Compact JSON of a value.', formatJson),
  json_encode_pretty: formatter('JSON of a value over several lines, keys sorted.', formatJsonPretty),
  toml_parse: parser(
    'The table of a TOML text. A date becomes a table that toml_encode writes again.',
    parseToml,
  ),
  toml_load: loader('The table of a TOML file.', parseToml, '.toml'),
  toml_encode: formatter('TOML of a table.', (value) => formatToml(value)),
  toml_encode_pretty: formatter('TOML of a table, lists over several lines.', (value) =>
    formatToml(value, { pretty: true }),
  ),
  toml_encode_pretty_compact: formatter(
    'TOML of a table, keys sorted, empty tables within their line.',
    (value) => formatToml(value, { pretty: true, compact: true }),
  ),
  yaml_parse: parser('The value of a YAML text.', parseYaml),
  yaml_load: loader('The value of a YAML file.', parseYaml),
  yaml_encode: formatter('YAML of a value.', formatYaml),
} satisfies Record<string, UnnamedFunction>;

export const serdeModule = defineModule('kumo.serde', { doc: 'Values to text and back.' }, serdeFunctions);
