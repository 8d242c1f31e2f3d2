import { describe, expect, test } from 'vitest';
import { noted, policy } from './policy-kit.ts';

describe('single events', () => {
  test('answer what the handler returned, nothing included', async () => {
    const { engine } = await policy(`
      kumo.on('init', function(a, b) return b, a, nil end)
      kumo.on('smtp_server_ehlo', function() end)`);
    expect(engine.fire('init', ['x', 1])).toEqual({ kind: 'values', values: [1, 'x', undefined] });
    expect(engine.fire('smtp_server_ehlo', [])).toEqual({ kind: 'values', values: [] });
    expect(engine.fire('smtp_server_message_received', [])).toEqual({ kind: 'absent' });
    expect([engine.handles('init'), engine.handles('smtp_server_message_received')]).toEqual([true, false]);
  });

  test('take one handler', async () => {
    await expect(policy(`\nkumo.on('init', print)\nkumo.on('init', print)`)).rejects.toThrow(
      /policy\.lua:3: .*init event already has a handler defined at .*policy\.lua:2$/,
    );
  });

  test('of any name can be made up', async () => {
    const { engine } = await policy(`kumo.on('my own', function() return 1 end)`);
    expect(engine.fire('my own', [])).toEqual({ kind: 'values', values: [1] });
    await expect(policy(`kumo.on('my own', print) kumo.on('my own', print)`)).rejects.toThrow(/already has/);
  });
});

describe('multiple events', () => {
  test.each([
    ['no value passes on to the next', '', 'return 2', { kind: 'values', values: [2] }],
    ['the first value ends the chain', 'return 1', 'return 2', { kind: 'values', values: [1] }],
    ['an explicit nil ends the chain', 'return nil', 'return 2', { kind: 'values', values: [undefined] }],
    ['no value from anyone is absence', '', '', { kind: 'absent' }],
    ['a wait keeps the order', 'kumo.soon()', 'return kumo.soon(2)', { kind: 'values', values: [2] }],
  ])('%s', async (_what, first, second, expected) => {
    const { engine } = await policy(`
      kumo.on('get_queue_config', function() kumo.note(1) ${first} end)
      kumo.on('get_queue_config', function() kumo.note(2) ${second} end)`);
    expect(await engine.fire('get_queue_config', [])).toEqual(expected);
    expect(noted[0]).toBe(1);
  });

  test('an error ends the chain', async () => {
    const { engine } = await policy(`
      kumo.on('get_queue_config', function() error('no') end)
      kumo.on('get_queue_config', function() kumo.note('called') end)`);
    expect(await engine.fire('get_queue_config', [])).toMatchObject({ kind: 'error' });
    expect(noted).toEqual([]);
  });
});

describe('registration', () => {
  test('inside a handler is an error', async () => {
    const { engine } = await policy(`kumo.on('init', function() kumo.on('late', print) end)`);
    const result = await engine.fire('init', []);
    expect(result).toMatchObject({ kind: 'error' });
    expect((result as { message: string }).message).toMatch(
      /policy\.lua:1: .*'late'.*not inside an event handler/,
    );
  });

  test.each(['nil', '"text"', '{}'])('of %s is an error', async (what) => {
    await expect(policy(`kumo.on('init', ${what})`)).rejects.toThrow(
      /policy\.lua:1: .*'init' is not a function/,
    );
  });

  test('of a near miss is a warning, and an error when validating', async () => {
    const source = `kumo.on('smtp_server_elho', print)`;
    const { host } = await policy(source);
    expect(host.told).toEqual([
      {
        level: 'warn',
        text: expect.stringMatching(
          /policy\.lua:1: there is no event 'smtp_server_elho'; did you mean 'smtp_server_ehlo'\?$/,
        ),
      },
    ]);
    await expect(policy(source, { validating: true })).rejects.toThrow(/did you mean 'smtp_server_ehlo'/);
  });

  test('of a custom event that is named elsewhere too is fine', async () => {
    const { host } = await policy(`kumo.on('inits', print) kumo.note("inits")`);
    expect(host.told).toEqual([]);
  });
});

test('a handler sees which event it handles', async () => {
  const { engine } = await policy(`
    kumo.note(kumo.event(), _KUMO_CURRENT_EVENT)
    kumo.on('init', function() return kumo.event(), _KUMO_CURRENT_EVENT, _VALIDATING_CONFIG end)`);
  expect(noted).toEqual([undefined, undefined]);
  expect(engine.fire('init', [])).toEqual({ kind: 'values', values: ['init', 'init', undefined] });
});

test('validation is visible to the policy', async () => {
  const { engine } = await policy(`kumo.on('init', function() return _VALIDATING_CONFIG end)`, {
    validating: true,
  });
  expect(engine.fire('init', [])).toEqual({ kind: 'values', values: [true] });
});
