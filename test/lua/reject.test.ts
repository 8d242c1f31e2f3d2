import { describe, expect, test } from 'vitest';
import { evaluate } from './policy-kit.ts';

const reject = { kind: 'reject', code: 550, text: 'go away', disconnect: 'If421' };

describe('kumo.reject', () => {
  test.each([
    ['raised', `kumo.reject(550, 'go away')`],
    ['raised again after pcall', `local ok, e = pcall(kumo.reject, 550, 'go away') error(e)`],
    ['raised again with a level', `local ok, e = pcall(kumo.reject, 550, 'go away') error(e, 0)`],
    [
      'through xpcall',
      `local ok, e = xpcall(kumo.reject, function(e) return e end, 550, 'go away') error(e)`,
    ],
    ['from a coroutine', `coroutine.wrap(function() kumo.reject(550, 'go away') end)()`],
    [
      'from a resumed coroutine',
      `local co = coroutine.create(function() kumo.reject(550, 'go away') end)
      local ok, e = coroutine.resume(co) error(e)`,
    ],
    ['after a wait', `kumo.soon() kumo.reject(550, 'go away')`],
    ['from inside table.sort', `table.sort({1, 2}, function() kumo.reject(550, 'go away') end)`],
    [
      'from inside a metamethod',
      `local t = setmetatable({}, {__index = function() kumo.reject(550, 'go away') end}) return t.x`,
    ],
  ])('%s', async (_how, source) => {
    expect(await evaluate(source)).toEqual(reject);
  });

  test('is an object with a text', async () => {
    const source = `local ok, e = pcall(kumo.reject, 550, 'go away')
      return tostring(e), e.code, e.message, e.disconnect, type(e), getmetatable(e)`;
    const result = (await evaluate(source)) as { values: unknown[] };
    expect(result.values).toEqual(['550 go away', 550, 'go away', 'If421', 'userdata', false]);
  });

  test('loses its nature as text', async () => {
    const source = `local ok, e = pcall(kumo.reject, 550, 'go away') error(tostring(e))`;
    expect(await evaluate(source)).toMatchObject({ kind: 'error' });
  });

  test('cannot be altered', async () => {
    const source = `local ok, e = pcall(kumo.reject, 550, 'go away') e.code = 250`;
    expect(await evaluate(source)).toMatchObject({
      kind: 'error',
      message: expect.stringMatching(/reject has no field 'code' that can be set/),
    });
  });

  test('kumo.disconnect closes', async () => {
    expect(await evaluate(`kumo.disconnect(451, 'bye')`)).toMatchObject({ disconnect: 'ForceDisconnect' });
    expect(await evaluate(`kumo.disconnect(451, 'bye', 'FollowWith421')`)).toEqual({
      kind: 'reject',
      code: 451,
      text: 'bye',
      disconnect: 'FollowWith421',
    });
  });
});
