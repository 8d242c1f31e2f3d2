import { describe, expect, test } from 'vitest';
import { FakeClock } from '../kit/fake-clock.ts';
import { evaluate, policy, testHost } from './policy-kit.ts';

describe('policy has no way out', () => {
  test.each([
    ['os.execute("true")', /os\.execute is not available to policy/],
    ['os.exit(1)', /os\.exit is not available to policy/],
    ['io.popen("true")', /io\.popen is not available to policy/],
  ])('%s', async (source, message) => {
    expect(await evaluate(`\n${source}`)).toMatchObject({
      kind: 'error',
      message: expect.stringMatching(message),
    });
  });

  test.each([
    'string.dump',
    'package.loadlib',
    'package.jspath',
    'fengari',
    'package.loaded.fengari',
    'debug.sethook',
    'debug.getregistry',
    'debug.setmetatable',
    'debug.getmetatable',
    'debug.setupvalue',
    'debug.upvaluejoin',
    'debug.setlocal',
    'debug.debug',
    'package.searchers[3]',
    'package.searchers[4]',
  ])('%s is nil', async (name) => {
    expect(await evaluate(`return ${name}`)).toEqual({ kind: 'values', values: [undefined] });
  });

  test('the same libraries are behind require', async () => {
    expect(
      await evaluate(`return require('os') == os, require('io') == io, require('string') == string`),
    ).toEqual({
      kind: 'values',
      values: [true, true, true],
    });
  });

  test('bytecode does not load', async () => {
    expect(await evaluate(`return load('\\27Lua' .. ('x'):rep(50))`)).toEqual({
      kind: 'values',
      values: [undefined, expect.stringMatching(/binary chunk/)],
    });
  });

  test('states do not see each other', async () => {
    const { engine } = await policy(`
      kumo.on('init', function(v) string.stolen = v kumo.soon() return string.stolen end)`);
    const results = await Promise.all([engine.fire('init', ['a']), engine.fire('init', ['b'])]);
    expect(results).toEqual([
      { kind: 'values', values: ['a'] },
      { kind: 'values', values: ['b'] },
    ]);
  });
});

describe('libraries', () => {
  test('print, io.write and warn', async () => {
    const { engine, host, printed } = await policy(
      `kumo.on('init', function() print('a', 1, nil, 2^31) io.write('b', 2) warn('c', 'd') end)`,
    );
    await engine.fire('init', []);
    expect(printed).toEqual(['a\t1\tnil\t2147483648\n', 'b2']);
    expect(host.told).toEqual([{ level: 'warn', text: expect.stringMatching(/policy\.lua:1: cd$/) }]);
  });

  test('os.time and os.date follow the clock of the host', async () => {
    const host = testHost(new FakeClock(Date.UTC(2026, 10, 21, 7, 5, 9)));
    const source = `return os.time(), os.date('!%Y-%m-%d %H:%M:%S'), os.date('!*t').yday, os.clock() > 0`;
    expect(await evaluate(source, [], { host })).toEqual({
      kind: 'values',
      values: [Date.UTC(2026, 10, 21, 7, 5, 9) / 1000, '2026-11-21 07:05:09', 325, true],
    });
  });

  test.each([
    ['!%c', 'Thu Jan  1 00:00:00 1970'],
    ['!%x %X %p', '01/01/70 00:00:00 AM'],
    ['!%A %B %d %e %j', 'Thursday January 01  1 001'],
    ['!%a %b %y %C', 'Thu Jan 70 19'],
    ['!%H %I %M %S', '00 12 00 00'],
    ['!%D %F %R %T %r', '01/01/70 1970-01-01 00:00 00:00:00 12:00:00 AM'],
    ['!%u %w %U %W %V %G %g', '4 4 00 00 01 1970 70'],
    ['!%z %Z %% %s', '+0000 GMT % 0'],
    ['!%n%t|', '\n\t|'],
  ])('os.date(%j, 0)', async (format, expected) => {
    expect(await evaluate(`return os.date(${JSON.stringify(format)}, 0)`)).toEqual({
      kind: 'values',
      values: [expected],
    });
  });

  test('os.time takes fields, beyond 2038 and out of their range', async () => {
    const source = `
      local t = os.time{year = 2040, month = 1, day = 1}
      return os.date('%Y-%m-%d %H', t), os.date('%F', os.time{year = 2026, month = 14, day = 1}),
        os.time(os.date('*t', 86400)), pcall(os.time, {year = 2026}), pcall(os.date, '%Q')`;
    const { values } = (await evaluate(source)) as { values: unknown[] };
    expect(values.slice(0, 3)).toEqual(['2040-01-01 12', '2027-02-01', 86400]);
    expect(values.slice(3)).toEqual([
      false,
      false,
      expect.stringMatching(/invalid conversion specifier '%Q'/),
    ]);
  });

  test('collectgarbage measures and tidies nothing', async () => {
    expect(
      await evaluate(`return collectgarbage('count') > 0, collectgarbage(), collectgarbage('step')`),
    ).toEqual({
      kind: 'values',
      values: [true, 0, 0],
    });
  });

  test('coroutine.close and _VERSION are those of 5.4', async () => {
    const source = `local co = coroutine.create(print)
      return coroutine.close(co), coroutine.status(co), coroutine.resume(co)`;
    expect(await evaluate(source)).toEqual({
      kind: 'values',
      values: [true, 'dead', false, 'cannot resume dead coroutine'],
    });
    expect(await evaluate(`return _VERSION`)).toEqual({ kind: 'values', values: ['Lua 5.4'] });
  });

  test('os.getenv reads the environment', async () => {
    process.env.MOONPOST_TEST = 'here';
    expect(await evaluate(`return os.getenv('MOONPOST_TEST'), os.getenv('MOONPOST_ABSENT')`)).toEqual({
      kind: 'values',
      values: ['here', undefined],
    });
  });
});
