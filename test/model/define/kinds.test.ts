import { describe, expect, test } from 'vitest';
import {
  anyOf,
  anyValue,
  boolean,
  bytes,
  duration,
  freeFloor,
  hostPort,
  instanceOf,
  integer,
  type Kind,
  keySource,
  limitSpec,
  list,
  luaFunction,
  map,
  number,
  oneOf,
  optional,
  string,
  throttleSpec,
} from '../../../src/model/define/index.ts';

/** As an argument of a function: numbers and texts are converted. */
const argument = <T>(kind: Kind<T>, value: unknown) => kind.parse(value, 'x', false);
/** As an option: they are not. */
const option = <T>(kind: Kind<T>, value: unknown) => kind.parse(value, 'x', true);

describe('policy-api.md 1.2', () => {
  test('string', () => {
    expect(argument(string(), 12)).toBe('12');
    expect(() => option(string(), 12)).toThrow('x: expected a string, got number');
    expect(() => argument(string(), Buffer.from([0xff]))).toThrow('got string that is not UTF-8');
    expect(() => argument(string(), undefined)).toThrow('got nil');
  });

  test('bytes', () => {
    expect(argument(bytes(), Buffer.from([0xff]))).toEqual(Buffer.from([0xff]));
    expect(option(bytes(), 'ä')).toEqual(Buffer.from('ä'));
  });

  test('integer', () => {
    expect(argument(integer(), 3.0)).toBe(3);
    expect(argument(integer(), ' 0x10 ')).toBe(16);
    expect(argument(integer(), '12.0')).toBe(12);
    expect(() => argument(integer(), '')).toThrow('expected an integer');
    expect(() => argument(integer(), '12x')).toThrow('expected an integer');
    expect(() => argument(integer(), 1.5)).toThrow('expected an integer');
    expect(() => option(integer(), '12')).toThrow('expected an integer, got string');
    expect(() => argument(integer({ min: 0, max: 65535 }), -1)).toThrow('from 0 to 65535, got -1');
    expect(() => argument(integer({ min: 0 }), -1)).toThrow('at least 0, got -1');
    expect(() => argument(integer(), Number.NaN)).toThrow('expected an integer');
    expect(argument(integer(), 2 ** 40)).toBe(2 ** 40);
  });

  test('number', () => {
    expect(argument(number(), '1e3')).toBe(1000);
    expect(() => option(number(), '1')).toThrow('expected a number');
  });

  test('boolean', () => {
    expect(argument(boolean(), undefined)).toBe(false);
    expect(argument(boolean(), 0)).toBe(true);
    expect(argument(boolean(), '')).toBe(true);
    expect(() => option(boolean(), 'true')).toThrow('expected true or false, got string');
  });

  test('lists take the sequence only', () => {
    expect(argument(list(string()), ['a', 1])).toEqual(['a', '1']);
    expect(argument(list(string()), { a: 'b' })).toEqual([]);
    expect(option(list(string()), {})).toEqual([]);
    expect(() => option(list(string()), { a: 'b' })).toThrow('expected a list, got a table with names');
    expect(() => option(list(string()), ['a', 1])).toThrow('x[2]: expected a string');
  });

  test('durations', () => {
    expect(option(duration(), 1.5)).toBe(1500);
    expect(option(duration(), '1h 30m')).toBe(5_400_000);
    expect(() => option(duration(), -1)).toThrow('cannot be -1');
    expect(() => option(duration(), '5 parsecs')).toThrow("'5 parsecs' is no duration");
    expect(() => option(duration(), true)).toThrow('got boolean');
  });

  test('JSON values', () => {
    expect(argument(anyValue(), undefined)).toBeNull();
    expect(argument(anyValue(), { a: [1, Number.POSITIVE_INFINITY, Buffer.from([1, 255])] })).toEqual({
      a: [1, null, [1, 255]],
    });
    expect(() => argument(anyValue(), { a: [new Date(0)] })).toThrow(
      'x.a[1]: expected a value that JSON can hold',
    );
    const parsed = argument(anyValue(), JSON.parse('{"__proto__": {"admin": true}}')) as Record<
      string,
      unknown
    >;
    expect(parsed.admin).toBeUndefined();
    expect(Object.keys(parsed)).toEqual(['__proto__']);
  });
});

test('throttles and limits', () => {
  expect(option(throttleSpec(), 'local:20/30min')).toEqual({
    limit: 20,
    period: 1_800_000,
    burst: 20,
    local: true,
  });
  expect(() => option(throttleSpec(), 100)).toThrow("expected a throttle such as '100/s', got number");
  expect(() => option(throttleSpec(), '10/seconds')).toThrow("unknown period 'seconds'");
  expect(option(limitSpec(), 32)).toEqual({ limit: 32, local: false });
  expect(option(limitSpec(), 'local:1_000')).toEqual({ limit: 1000, local: true });
  expect(option(limitSpec(), { limit: 5, force_local: true })).toEqual({ limit: 5, local: true });
  expect(() => option(limitSpec(), 0)).toThrow('a whole number from 1 up');
});

test('names, addresses, floors', () => {
  expect(option(oneOf('Deny', 'Allow'), 'Deny')).toBe('Deny');
  expect(() => option(oneOf('Deny', 'Allow'), 'deny')).toThrow("expected one of Deny, Allow, got 'deny'");
  expect(option(hostPort(), 'proxy.example:1080')).toEqual({ address: 'proxy.example', port: 1080 });
  expect(() => option(hostPort(), '1.2.3.4')).toThrow('not of the form IP:PORT');
  expect(() => option(hostPort(), '1.2.3.4:70000')).toThrow('not of the form IP:PORT');
  expect(option(freeFloor(), '10%')).toEqual({ percent: 10 });
  expect(option(freeFloor(), '4096')).toEqual({ amount: 4096 });
  expect(() => option(freeFloor(), '110%')).toThrow('more than there can be');
});

test('key sources', () => {
  expect(option(keySource(), '/etc/key.pem')).toEqual({ from: 'file', path: '/etc/key.pem' });
  expect(option(keySource(), { key_data: 'abc' })).toEqual({ from: 'inline', bytes: Buffer.from('abc') });
  expect(option(keySource(), { vault_mount: 'm', vault_path: 'p' })).toEqual({
    from: 'vault',
    mount: 'm',
    path: 'p',
    key: 'key',
  });
  expect(option(keySource(), { event_name: 'e', event_args: ['a'] })).toEqual({
    from: 'event',
    event: 'e',
    args: ['a'],
  });
  expect(() => option(keySource(), { event_name: 'e' })).toThrow('a key source has key_data');
});

test('combinations', () => {
  expect(argument(optional(string()), undefined)).toBeUndefined();
  expect(argument(optional(duration(), '1m'), undefined)).toBe(60_000);
  expect(option(anyOf(integer(), string()), 'a')).toBe('a');
  expect(option(map(integer()), { a: 1 })).toEqual({ a: 1 });
  expect(() => option(map(integer()), { a: 'b' })).toThrow('x.a: expected an integer');
  const error = new RangeError('x');
  expect(argument(instanceOf(RangeError, 'range'), error)).toBe(error);
  expect(() => argument(instanceOf(RangeError, 'range'), {})).toThrow('expected a range object, got table');
  const handler = { luaFunction: true } as const;
  expect(argument(luaFunction(), handler)).toBe(handler);
  expect(() => argument(luaFunction(), 'f')).toThrow('x: expected a function, got string');
});
