import { expect, test } from 'vitest';
import { luaModules, luaObjects } from '../../../src/api/lua/index.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import { events } from '../../../src/model/events/index.ts';
import { budgetOptions } from '../../../src/model/options/index.ts';
import { policy } from '../../lua/policy-kit.ts';
import { notingHost } from './kit.ts';

const engineOf = async (options: string, host = notingHost()) => {
  const source = `
    local f = kumo.memoize(function(key)
      kumo.log_info('computing ' .. key)
      kumo.time.sleep(1)
      if key == 'bad' then error('no luck') end
      return {key}
    end, {name = 'f', capacity = 10, ${options}})
    kumo.on('ask', function(key) return f(key)[1] end)`;
  const { engine } = await policy(source, { modules: luaModules, objects: luaObjects, events, host });
  const computed = () => host.told.filter(({ text }) => text.includes('computing')).length;
  return { ask: (key: string) => engine.fire('ask', [key]), computed, host };
};

test('of several callers in several Lua states one computes', async () => {
  const { ask, computed, host } = await engineOf("ttl = '1 minute'");
  const asked = [ask('a'), ask('a'), ask('b')];
  await host.clock.advance(1000);
  expect(await Promise.all(asked)).toEqual(['a', 'a', 'b'].map((key) => ({ kind: 'values', values: [key] })));
  expect(computed()).toBe(2);
});

test('a value is computed again after its time, an error after a minute', async () => {
  const { ask, computed, host } = await engineOf('ttl = 10');
  const ask1 = async (key: string) => {
    const answer = ask(key);
    await host.clock.advance(1000);
    return answer;
  };
  await ask1('a');
  await host.clock.advance(9000);
  await ask1('a');
  expect(computed()).toBe(1);
  await ask1('a');
  expect(computed()).toBe(2);
  expect(await ask1('bad')).toMatchObject({ kind: 'error', message: expect.stringContaining('no luck') });
  await host.clock.advance(50_000);
  expect(await ask1('bad')).toMatchObject({ kind: 'error' });
  expect(computed()).toBe(3);
  await host.clock.advance(10_000);
  await ask1('bad');
  expect(computed()).toBe(4);
});

test('a new epoch makes values old where that is asked for', async () => {
  let epoch = 1;
  const host = Object.assign(notingHost(), { configEpoch: () => epoch });
  const { ask, computed } = await engineOf("ttl = '1 hour', invalidate_with_epoch = true", host);
  for (const now of [1, 1, 2]) {
    epoch = now;
    const answer = ask('a');
    await host.clock.advance(1000);
    await answer;
  }
  expect(computed()).toBe(2);
});

test('who waits too long gets an error, or computes', async () => {
  const impatient = await engineOf('ttl = 60, populate_timeout = 0.5');
  const answers = [impatient.ask('a'), impatient.ask('a')];
  await impatient.host.clock.advance(1000);
  expect(await answers[1]).toMatchObject({
    message: expect.stringContaining('nobody computed the value in time'),
  });
  expect(await answers[0]).toMatchObject({ kind: 'values' });

  const eager = await engineOf('ttl = 60, populate_timeout = 0.5, retry_on_populate_timeout = true');
  const again = [eager.ask('a'), eager.ask('a')];
  await eager.host.clock.advance(1500);
  expect(await Promise.all(again)).toMatchObject([{ kind: 'values' }, { kind: 'values' }]);
  expect(eager.computed()).toBe(2);
});

test('stale reads', async () => {
  const { ask, computed, host } = await engineOf('ttl = 10, allow_stale_reads = true');
  const first = ask('a');
  await host.clock.advance(1000);
  await first;
  await host.clock.advance(10_000);
  const computing = ask('a');
  // Somebody computes, so this one takes the old value and does not wait.
  expect(await ask('a')).toMatchObject({ values: ['a'] });
  await host.clock.advance(1000);
  await computing;
  expect(computed()).toBe(2);
});

/** A budget of few instructions for handlers, of many for loading. */
const few = parseOptions(budgetOptions, { instructions: 20_000 });

async function busy(more: string, host = notingHost()) {
  const source = `
    local f = kumo.memoize(function(count)
      kumo.time.sleep(1)
      local sum = 0
      for i = 1, count do sum = sum + i end
      return sum
    end, {name = 'f', capacity = 10, ttl = '1 hour' ${more}})
    kumo.on('ask', function(count) return f(count) end)
    kumo.on('ask and go on', function(count) f(count) while true do end end)
    kumo.on('config_epoch_changed', function() for i = 1, 100000 do local _ = i end return true end)`;
  const { engine } = await policy(source, {
    modules: luaModules,
    objects: luaObjects,
    events,
    host,
    budget: few,
  });
  return { engine, host };
}

test('with keep_last_good computing has the budget of loading, and the handler keeps its own', async () => {
  const { engine, host } = await busy(', keep_last_good = true');
  const asked = [engine.fire('ask', [100_000]), engine.fire('ask and go on', [100_001])];
  await host.clock.advance(1000);
  expect(await asked[0]).toEqual({ kind: 'values', values: [5_000_050_000] });
  expect(await asked[1]).toMatchObject({ overBudget: true, message: expect.stringContaining('of 20000') });
});

test('who waits for a handler that is stopped does not wait on', async () => {
  const { engine, host } = await busy('');
  const asked = [engine.fire('ask', [100_000]), engine.fire('ask', [100_000])];
  await host.clock.advance(1000);
  expect(await asked[0]).toMatchObject({ kind: 'error', overBudget: true });
  const second = await asked[1];
  expect(second).toMatchObject({ kind: 'error', message: expect.stringContaining('over its budget') });
  expect(second).not.toMatchObject({ overBudget: true });
});

test('the event of a new epoch has the budget of loading', async () => {
  const { engine } = await busy('');
  expect(await engine.fire('config_epoch_changed', [])).toEqual({ kind: 'values', values: [true] });
});
