import { readFileIfPresent } from '../../io/files/index.ts';
import {
  anyValue,
  defineFunction,
  defineModule,
  string,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import { formatJson, formatJsonPretty, parseJsonText } from '../../model/index.ts';

export const serdeFunctions = {
  json_parse: defineFunction({
    params: { text: string() },
    returns: 'any',
    doc: 'The value of a JSON text. Comments may stand in it; null becomes nil.',
    call: ({ text }) => parseJsonText(text),
  }),
  json_load: defineFunction({
    params: { path: string() },
    returns: 'any',
    doc: 'The value of a JSON file.',
    call: ({ path }) => {
      const content = readFileIfPresent(path);
      if (content === undefined) throw new Error(`${path}: there is no such file`);
      return parseJsonText(content.toString());
    },
  }),
  json_encode: defineFunction({
    params: { value: anyValue() },
    returns: 'string',
    doc: 'Compact JSON of a value.',
    call: ({ value }) => formatJson(value),
  }),
  json_encode_pretty: defineFunction({
    params: { value: anyValue() },
    returns: 'string',
    doc: 'JSON of a value over several lines, keys sorted.',
    call: ({ value }) => formatJsonPretty(value),
  }),
} satisfies Record<string, UnnamedFunction>;

export const serdeModule = defineModule('kumo.serde', { doc: 'Values to text and back.' }, serdeFunctions);
