import { expect, test } from 'vitest';
import { luaModules, luaObjects } from '../../../src/api/lua/index.ts';
import { events } from '../../../src/model/events/index.ts';
import { policy } from '../../lua/policy-kit.ts';
import { failure, notingHost } from './kit.ts';

test('set_development_recipient is declared in init, with its place', async () => {
  const host = notingHost();
  const { engine } = await policy(
    `kumo.on('init', function() kumo.policy.set_development_recipient('<Me@Dev.example>') end)`,
    { modules: luaModules, objects: luaObjects, events, host },
  );
  expect(await engine.fire('init', [])).toEqual({ kind: 'values', values: [] });
  expect(host.declarations).toEqual([
    {
      kind: 'set_development_recipient',
      options: 'Me@Dev.example',
      where: expect.stringMatching(/policy\.lua:1$/),
    },
  ]);
});

test.each([
  ["'me@dev.example'", /policy\.lua:1: .*only in the event pre_init or init/],
  ["'nobody'", /policy\.lua:1: .*'nobody' is no mail address/],
  ["''", /'' is no mail address/],
  ["'a@b\\r\\nBcc: c@d'", /is no mail address/],
])('set_development_recipient(%s) in a handler is an error', async (given, expected) => {
  expect(await failure(`kumo.policy.set_development_recipient(${given})`)).toMatch(expected);
});
