import { expect, test } from 'vitest';
import { parseOptions } from '../../src/model/define/index.ts';
import { effectiveOptions, formatOrigin, noteMaker } from '../../src/model/index.ts';
import { egressPathOptions } from '../../src/model/options/index.ts';

const origin = { kind: 'file', section: '["a"]', file: 'x.toml', line: 3, column: 1 } as const;

function effective(given: object, explained: Parameters<typeof effectiveOptions>[2]) {
  const options = effectiveOptions(egressPathOptions, parseOptions(egressPathOptions, given), explained);
  return Object.fromEntries(options.map((one) => [one.option, one]));
}

test('what a helper said holds as long as the value is still that', () => {
  const given = { connection_limit: 5, idle_timeout: '2 minutes', max_ready: 9, smtp_port: 25 };
  const options = effective(given, [
    { option: 'connection_limit', value: '5', origin },
    { option: 'idle_timeout', value: '120s', origin: 'of mine' },
    { option: 'max_ready', value: 8, origin },
    { option: 'smtp_port', value: 25, origin },
    { option: 'no_such', value: 1, origin },
  ]);
  expect(options.connection_limit).toEqual({
    option: 'connection_limit',
    value: { limit: 5, force_local: false },
    origin,
  });
  expect(options.idle_timeout?.origin).toEqual({ kind: 'helper', section: 'of mine' });
  expect(options.max_ready?.origin).toEqual({ kind: 'policy' });
  expect(options.smtp_port?.origin).toEqual(origin);
  expect(options.enable_tls?.origin).toEqual({ kind: 'built-in' });
  expect(options).not.toHaveProperty('max_message_rate');
  expect(options).not.toHaveProperty('no_such');
});

test('what policy set is told with the line that made the configuration', () => {
  const given = { connection_limit: 5, additional_connection_limits: { a: 3 } };
  const options = parseOptions(egressPathOptions, given);
  noteMaker(options, '/etc/moonpost/policy/init.lua:42');
  const told = Object.fromEntries(
    effectiveOptions(egressPathOptions, options, []).map((one) => [one.option, formatOrigin(one.origin)]),
  );
  expect(told).toMatchObject({
    connection_limit: '/etc/moonpost/policy/init.lua:42',
    'additional_connection_limits.a': '/etc/moonpost/policy/init.lua:42',
    max_ready: 'built-in default',
  });
});

test('tables of limits are told key by key', () => {
  const given = {
    additional_message_rate_throttles: { 'a.b': '10/s', c: '1/m' },
    additional_connection_limits: {},
  };
  const options = effective(given, [
    { option: 'additional_message_rate_throttles.a.b', value: '10/sec', origin },
    { option: 'additional_message_rate_throttles.c', value: '2/m', origin },
  ]);
  expect(options['additional_message_rate_throttles.a.b']).toMatchObject({ value: '10/s', origin });
  expect(options['additional_message_rate_throttles.c']).toMatchObject({
    value: '1/m',
    origin: { kind: 'policy' },
  });
  expect(options.additional_connection_limits).toMatchObject({ value: {}, origin: { kind: 'built-in' } });
});

test('origins as text', () => {
  expect(formatOrigin(origin)).toBe('x.toml:3:1 ["a"]');
  expect(formatOrigin({ ...origin, kind: 'default' })).toBe('x.toml:3:1 ["a"] (default)');
  expect(formatOrigin({ ...origin, kind: 'provider', provider: 'p' })).toBe('x.toml:3:1 ["a"] (provider p)');
  expect(formatOrigin({ ...origin, kind: 'automation' })).toBe('x.toml:3:1 ["a"] (automation)');
  expect(formatOrigin({ kind: 'helper', section: 'of mine' })).toBe('of mine');
  expect(formatOrigin({ kind: 'policy' })).toBe('the policy');
  expect(formatOrigin({ kind: 'built-in' })).toBe('built-in default');
});
