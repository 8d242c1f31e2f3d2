import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  defineOptions,
  duration,
  editDistance,
  field,
  integer,
  keySource,
  list,
  nearestName,
  type OptionsOf,
  parseOptions,
  string,
  table,
} from '../../../src/model/define/index.ts';

const inner = defineOptions(
  'make_x.inner',
  { luaClass: 'Inner', doc: 'Inner.' },
  {
    colour: field(string(), { default: 'red', doc: 'Colour.' }),
  },
);
const options = defineOptions(
  'make_x',
  { luaClass: 'X', doc: 'X.' },
  {
    name: field(string(), { required: true, doc: 'Name.' }),
    retry_interval: field(duration(), { default: '20m', doc: 'Wait.' }),
    hosts: field(list(string()), { default: ['a'], doc: 'Hosts.' }),
    size: field(integer(), { doc: 'Size.' }),
    inner: field(table(inner), { default: {}, doc: 'Inner.' }),
    key: field(keySource(), { doc: 'Key.' }),
  },
);

test('the type has the defaults applied', () => {
  const parsed: OptionsOf<typeof options> = parseOptions(options, { name: 'n' });
  const wait: number = parsed.retry_interval;
  const size: number | undefined = parsed.size;
  expect([wait, size, parsed.hosts, parsed.inner.colour]).toEqual([1_200_000, undefined, ['a'], 'red']);
});

test('defaults are shared and cannot be changed by whoever gets them', () => {
  const first = parseOptions(options, { name: 'n' });
  expect(() => first.hosts.push('b')).toThrow(TypeError);
  expect(parseOptions(options, { name: 'n' }).hosts).toEqual(['a']);
});

test('null, as config objects read back, is not given', () => {
  expect(parseOptions(options, { name: 'n', size: null, hosts: null })).toEqual(
    parseOptions(options, { name: 'n' }),
  );
});

describe('errors', () => {
  const refused = (value: unknown) => () => parseOptions(options, value);

  test('an unknown option names the nearest one, in the shape that shaping helpers know', () => {
    expect(refused({ name: 'n', retry_intervall: 5 })).toThrow(
      'make_x: deserialize error: unknown field `retry_intervall`, did you mean `retry_interval`?, ' +
        'while processing {"name":"n","retry_intervall":5}',
    );
    expect(refused({ inner: { color: 'x' } })).toThrow('unknown field `inner.color`, did you mean `colour`?');
    expect(refused({ zzz: 1 })).toThrow('unknown field `zzz`, known are name, retry_interval');
  });

  test('names of the prototype are unknown options', () => {
    expect(refused({ constructor: 1 })).toThrow('unknown field `constructor`');
    expect(refused(JSON.parse('{"__proto__": 1}'))).toThrow('unknown field `__proto__`');
  });

  test('what is required must be there', () => {
    expect(refused({})).toThrow('deserialize error: missing field `name`, while processing {}');
    expect(refused('n')).toThrow('options: expected a table, got string');
  });

  test('the place is named', () => {
    expect(refused({ name: 'n', hosts: ['a', 5] })).toThrow('hosts[2]: expected a string, got number');
    expect(refused({ name: 'n', inner: { colour: 5 } })).toThrow('inner.colour: expected a string');
  });

  test('secrets are not shown', () => {
    expect(refused({ name: 'n', key: { key_data: 'hush' }, sise: 1 })).toThrow('"key_data":"(not shown)"');
    expect(refused({ name: 'n', smtp_password: 'hush' })).not.toThrow('hush');
  });
});

test('edit distance', () => {
  expect(editDistance('', 'abc')).toBe(3);
  expect(editDistance('smtp', 'smpt')).toBe(1);
  expect(editDistance('kitten', 'sitting')).toBe(3);
  expect(nearestName('max_redy', ['max_age', 'max_ready'])).toBe('max_ready');
  expect(nearestName('xyz', ['max_age'])).toBeUndefined();
  fc.assert(
    fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), (a, b) => {
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, a)).toBe(0);
      expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
    }),
  );
});
