import { describe, expect, test } from 'vitest';
import { createPolicyEngine, PolicyLoadError } from '../../src/lua/index.ts';
import { evaluate, events, folder, kumo, policy, testHost } from './policy-kit.ts';

describe('an error names the file and line of the operator', () => {
  test.each([
    [
      'raised by Lua',
      `\nlocal t = nil\nreturn t.x`,
      /^\/.*policy\.lua:3: attempt to index a nil value \(local 't'\)$/,
    ],
    ['raised by the policy', `\nerror('no')`, /policy\.lua:2: no$/],
    ['raised by a binding', `\n\nkumo.breaks()`, /policy\.lua:3: kumo\.breaks: out of paper$/],
    [
      'of a bad argument',
      `\nkumo.reject('x', 'y')`,
      /policy\.lua:2: bad argument #1 to 'kumo\.reject' \(code: expected number\)$/,
    ],
    [
      'of a missing argument',
      `kumo.reject(550)`,
      /bad argument #2 to 'kumo\.reject' \(message: expected string\)$/,
    ],
    ['of a second level', `\nlocal function f() kumo.breaks() end\npcall(print)\nf()`, /policy\.lua:2: /],
    [
      'through pcall of a binding',
      `\nlocal ok, e = pcall(kumo.breaks) error(e, 0)`,
      /policy\.lua:2: kumo\.breaks: out/,
    ],
    ['raised as a table', `\nerror({code = 1})`, /policy\.lua:2: table: /],
    [
      'in a table with text',
      `\nerror(setmetatable({}, {__tostring = function() return 'mine' end}))`,
      /policy\.lua:2: mine$/,
    ],
    ['of nothing', `\nerror()`, /policy\.lua:2: nil$/],
    [
      'of endless recursion',
      `\nlocal function f() return 1 + f() end\nf()`,
      /policy\.lua:2: stack overflow$/,
    ],
    ['in a returned value', `return coroutine.create(print)`, /the returned value: a coroutine cannot/],
  ])('%s', async (_what, source, message) => {
    expect(await evaluate(source)).toEqual({ kind: 'error', message: expect.stringMatching(message) });
  });

  test('also when one of our helpers stands between', async () => {
    const { engine } = await policy(
      `local helper = require 'policy-extras.helper'\nkumo.on('run', function()\n helper.call()\n end)`,
      {
        files: {
          'helpers/helper.lua': `local kumo = require 'kumo'\nreturn { call = function() kumo.breaks() end }`,
        },
      },
    );
    expect(engine.fire('run', [])).toMatchObject({
      message: expect.stringMatching(/policy\.lua:3: kumo\.breaks/),
    });
  });

  test('however long its path is', async () => {
    const long = `${'d'.repeat(80)}/${'e'.repeat(80)}`;
    const directory = folder({ [`${long}/policy.lua`]: `\nerror('no')` });
    const loading = createPolicyEngine({
      file: `${directory}/${long}/policy.lua`,
      modules: [kumo],
      objects: [],
      events,
      host: testHost(),
      helpersDir: '/nowhere',
    });
    await expect(loading).rejects.toThrow(`${directory}/${long}/policy.lua:2: no`);
  });
});

describe('a policy that does not load', () => {
  test.each([
    ['syntax error', `\nif x the end`, /^\/.*policy\.lua:2: 'then' expected near 'the'$/],
    ['unfinished', `\nfunction f(`, /policy\.lua:2: .* near <eof>$/],
    ['raises', `\nerror('no')`, /policy\.lua:2: no$/],
    ['missing module', `\nrequire 'nothing_here'`, /policy\.lua:2: module 'nothing_here' not found:/],
    ['rejects', `kumo.reject(550, 'no')`, /policy\.lua: 550 no$/],
    ['fails after a wait', `\nkumo.fails_soon('down')`, /policy\.lua:2: kumo\.fails_soon: down$/],
    ['bytecode', `load('\\27Lua')()`, /attempt to call a nil value/],
  ])('%s', async (_what, source, message) => {
    const error = await policy(source).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(PolicyLoadError);
    expect((error as Error).message).toMatch(message);
  });

  test('names a syntax error in what it requires', async () => {
    const loading = policy(`require 'part'`, { files: { 'part.lua': `return {\n x = = 1 }` } });
    await expect(loading).rejects.toThrow(
      /error loading module 'part':\n\t.*part\.lua:2: unexpected symbol near '='/,
    );
  });

  test('because it is not there', async () => {
    const loading = createPolicyEngine({
      file: '/nowhere/policy.lua',
      modules: [],
      objects: [],
      events,
      host: testHost(),
      helpersDir: '/nowhere',
    });
    await expect(loading).rejects.toThrow('cannot open /nowhere/policy.lua');
  });
});

describe('the diagnostic log', () => {
  test('gets an error once, with its traceback, and then at powers of ten', async () => {
    const { engine, host } = await policy(
      `local function deep() error('no') end\nkumo.on('init', function() deep() end)`,
    );
    for (let i = 0; i < 15; i++) await engine.fire('init', []);
    const errors = host.told.filter(({ level }) => level === 'error').map(({ text }) => text);
    expect(errors).toHaveLength(2);
    expect(errors[0]).toMatch(
      /^init: .*policy\.lua:1: no\nstack traceback:\n.*policy\.lua:1: in .*policy\.lua:2: in /s,
    );
    expect(errors[1]).toMatch(/policy\.lua:1: no \(10 times\)$/);
    expect([...engine.errorCounts.values()]).toEqual([15]);
  });

  test('forgets the oldest of too many kinds', async () => {
    const { engine } = await policy(`kumo.on('init', function(n) error('no ' .. n) end)`);
    for (let i = 0; i < 1100; i++) await engine.fire('init', [i]);
    expect(engine.errorCounts.size).toBe(1000);
  });

  test('gets nothing of a reject', async () => {
    const { engine, host } = await policy(`kumo.on('init', function() kumo.reject(550, 'no') end)`);
    await engine.fire('init', []);
    expect(host.told).toEqual([]);
  });
});
