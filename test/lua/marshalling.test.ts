import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { luaNull } from '../../src/lua/index.ts';
import type { ObjectDeclaration } from '../../src/model/define/index.ts';
import type { Json } from '../../src/model/index.ts';
import { evaluate, fn, kumo, policy, text } from './policy-kit.ts';

/** Objects come back without a prototype; equality here is of content. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** Lua has neither null inside tables nor a difference between {} and an object without fields. */
const luaJson = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.boolean(),
    fc.string({ unit: 'grapheme' }),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.string({ minLength: 1 }), tie('value'), { maxKeys: 5 }),
  ),
})).value;

test('what goes into Lua comes out the same', async () => {
  const { engine } = await policy(`kumo.on('run', function(...) return kumo.echo((...)) end)`);
  fc.assert(
    fc.property(luaJson, (value) => {
      const result = engine.fire('run', [value]) as { values: unknown[] };
      expect(plain(result.values[0])).toEqual(plain(value));
    }),
    { numRuns: 300 },
  );
});

test('bytes that are not UTF-8 come out as a Buffer, others as a string', async () => {
  const { engine } = await policy(`kumo.on('run', function(s) return s .. '', #s end)`);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const { values } = engine.fire('run', [Buffer.from(bytes)]) as { values: unknown[] };
      const back = typeof values[0] === 'string' ? Buffer.from(values[0]) : (values[0] as Buffer);
      expect(Buffer.compare(back, Buffer.from(bytes))).toBe(0);
      expect(values[1]).toBe(bytes.length);
      expect(typeof values[0] === 'string').toBe(isUtf8(bytes));
    }),
    { numRuns: 500 },
  );
});

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

test('a Lua string does not change with the Buffer it came from', async () => {
  const { engine } = await policy(
    `local kept kumo.on('keep', function(s) kept = s end) kumo.on('run', function() return kept end)`,
  );
  const bytes = Buffer.from([0xff, 1]);
  await engine.fire('keep', [bytes]);
  bytes[0] = 0;
  const first = engine.fire('run', []) as { values: Buffer[] };
  expect([...first.values[0]!]).toEqual([0xff, 1]);
  first.values[0]![0] = 0;
  expect([...(engine.fire('run', []) as { values: Buffer[] }).values[0]!]).toEqual([0xff, 1]);
});

describe('tables', () => {
  test.each([
    ['{1, 2, 3}', [1, 2, 3]],
    ['{1, 2, x = 3}', [1, 2]],
    ['{}', {}],
    ['{x = {}}', { x: {} }],
    ["{['a b'] = 1, [0] = 'zero', [2.5] = 'f'}", { 'a b': 1, 0: 'zero', '2.5': 'f' }],
    ['{nil, nil, 3}', { 3: 3 }],
  ])('%s', async (source, expected) => {
    const { values } = (await evaluate(`return ${source}`)) as { values: unknown[] };
    expect(plain(values[0])).toEqual(plain(expected));
    expect(Array.isArray(values[0])).toBe(Array.isArray(expected));
  });

  test('keys named like parts of a prototype are data', async () => {
    const { values } = (await evaluate(
      `return {__proto__ = {polluted = 1}, constructor = 2, toString = 3, hasOwnProperty = 4}`,
    )) as { values: Record<string, unknown>[] };
    const object = values[0]!;
    expect(Object.keys(object).sort()).toEqual(['__proto__', 'constructor', 'hasOwnProperty', 'toString']);
    expect(Object.getPrototypeOf(object)).toBeNull();
    expect((object as { polluted?: number }).polluted).toBeUndefined();
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  test('an empty list stays a list', async () => {
    const { engine } = await policy(
      `kumo.on('run', function(t, add) if add then t[1] = add end return t, #t end)`,
    );
    expect(engine.fire('run', [[]])).toEqual({ kind: 'values', values: [[], 0] });
    expect(engine.fire('run', [[], 'x'])).toEqual({ kind: 'values', values: [['x'], 1] });
  });

  test.each([
    ['a table that contains itself', 'local t = {} t[1] = t return kumo.echo(t)', /contains itself/],
    ['a coroutine', 'kumo.echo(coroutine.create(print))', /coroutine/],
    ['a table as key', 'kumo.echo({[{}] = 1})', /key is neither/],
    ['a key that is not UTF-8', "kumo.echo({['\\xff'] = 1})", /key is not valid UTF-8/],
    ['an open file', 'kumo.echo(io.stdout)', /is not bound to Lua/],
  ])('%s', async (_what, source, error) => {
    const result = await evaluate(source);
    expect(result).toMatchObject({ kind: 'error', message: expect.stringMatching(error) });
  });

  test('Map keys keep their type', async () => {
    const { engine } = await policy(`kumo.on('run', function(t) return t[10], t['10'] end)`);
    expect(engine.fire('run', [new Map([[10, 'number']])])).toEqual({
      kind: 'values',
      values: ['number', undefined],
    });
  });
});

test('null is nil, luaNull is truthy and comes back as null', async () => {
  const { engine } = await policy(
    `kumo.on('run', function(a, b, c) return a == nil, b == nil, c and type(c), c, kumo.echo(c) end)`,
  );
  expect(engine.fire('run', [null, undefined, luaNull])).toEqual({
    kind: 'values',
    values: [true, true, 'userdata', null, undefined],
  });
});

test('a Lua function comes back as itself, a function of ours can be called', async () => {
  const { engine } = await policy(
    `kumo.on('run', function(add) local f = function() end return kumo.echo(f) == f, add(1, 2) end)`,
  );
  const add = (a: number, b: number) => a + b;
  expect(engine.fire('run', [add])).toEqual({ kind: 'values', values: [true, 3] });
});

class Parcel {
  readonly label: string;
  constructor(label: string) {
    this.label = label;
  }
}
class Crate extends Parcel {}
class Stranger {}

const parcel: ObjectDeclaration = {
  name: 'parcel',
  doc: '',
  type: Parcel,
  methods: [
    fn('stamp', { mark: text }, ([self, mark]) => `${(self as Parcel).label}/${mark}`),
    fn('later', {}, ([self]) => Promise.resolve((self as Parcel).label)),
  ],
  fields: [
    { name: 'label', luaType: 'string', doc: '', get: (self) => (self as Parcel).label },
    { name: 'slow', luaType: 'string', doc: '', get: (self) => Promise.resolve((self as Parcel).label) },
  ],
  text: (self) => `<${(self as Parcel).label}>`,
  entries: () => ({ weight: 3 }),
};

describe('objects', () => {
  const make = fn('parcel', { label: text }, ([label]) => new Parcel(label as string));
  const options = { modules: [{ ...kumo, functions: [...kumo.functions, make] }], objects: [parcel] };

  test.each([
    ['methods', `return p:stamp('x')`, ['a/x']],
    ['methods that wait', `return p:later()`, ['a']],
    ['fields', `return p.label, p.nothing`, ['a', undefined]],
    ['fields that wait', `return p.slow`, ['a']],
    ['tostring and format', `return tostring(p), string.format('%s', p)`, ['<a>', '<a>']],
    ['entries', `return p.weight, next({p.weight})`, [3, 1, 3]],
    ['pairs over entries', `for k, v in pairs(p) do return k, v end`, ['weight', 3]],
    ['the instance comes back', `return kumo.echo(p):stamp('x')`, ['a/x']],
    [
      'the metatable is out of reach',
      `return getmetatable(p), pcall(setmetatable, p, {})`,
      [false, false, expect.stringMatching(/table expected/)],
    ],
  ])('%s', async (_what, source, expected) => {
    const result = await evaluate(`local p = ... ${source}`, [new Parcel('a')], options);
    expect(result).toEqual({ kind: 'values', values: expected });
  });

  test('an instance of a subclass is bound like its class', async () => {
    const result = (await evaluate(`local p = ... return p:stamp('x'), p`, [new Crate('c')], options)) as {
      values: unknown[];
    };
    expect(result.values[0]).toBe('c/x');
    expect(result.values[1]).toBeInstanceOf(Crate);
  });

  test('a class that is not bound cannot go to Lua', async () => {
    expect(await evaluate(`return 1`, [new Stranger()], options)).toEqual({
      kind: 'error',
      message: 'Stranger is not bound to Lua',
    });
  });

  test.each([
    [`p.stamp('x')`, /calling 'parcel:stamp' on bad self \(parcel expected, got string\)/],
    [`p.stamp()`, /calling 'parcel:stamp' on bad self \(parcel expected, got no value\)/],
    [`p:stamp()`, /bad argument #1 to 'parcel:stamp' \(mark: expected string\)/],
    [`p.label = 'b'`, /parcel has no field 'label' that can be set/],
    [`p:nothing()`, /attempt to call a nil value \(method 'nothing'\)/],
  ])('%s is an error with the line', async (source, message) => {
    const result = await evaluate(`local p = ...\n${source}`, [new Parcel('a')], options);
    expect(result).toMatchObject({ kind: 'error', message: expect.stringMatching(message) });
    expect((result as { message: string }).message).toMatch(/policy\.lua:2: /);
  });
});

test('modules: values, sub-modules as fields and by their own name', async () => {
  const hex = fn('hex', { data: text }, ([data]) => Buffer.from(data as string).toString('hex'));
  const modules = [
    kumo,
    { name: 'kumo.api.digest', doc: '', functions: [hex] },
    { name: 'sqlite', doc: '', functions: [], values: { version: '3' } },
  ];
  const source = `local digest = require 'kumo.api.digest'
    return kumo.answer, kumo.api.digest.hex('a'), digest.hex('b'), require('sqlite').version, sqlite`;
  expect(await evaluate(source, [], { modules })).toEqual({
    kind: 'values',
    values: [42, '61', '62', '3', undefined],
  });
});
