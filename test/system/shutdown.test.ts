import { afterEach, expect, test, vi } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { initLua, Moonpost } from '../kit/moonpost.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

afterEach(() => Moonpost.disposeAll());

test('shutdown_logging fires once, after the drain and before the loggers stop', async () => {
  const server = await Moonpost.start({
    policy: `${initLua()}
kumo.on('shutdown_logging', function()
  kumo.log_info('the loggers stop soon')
end)
`,
    shards: 2,
  });
  expect(await server.stop()).toBe(0);
  expect(server.errors.match(/the loggers stop soon/g)).toHaveLength(1);
  expect(server.errors.indexOf('the loggers stop soon')).toBeLessThan(
    server.errors.indexOf('Shutdown completed OK!'),
  );
});

test('one that is told to end before its listeners are bound ends in order', async () => {
  // The top level of the policy runs in the coordinator first, then in every shard.
  const policy = `${initLua()}\nkumo.log_info('the top level runs')\nkumo.time.sleep(3)`;
  const server = Moonpost.spawn({ policy, shards: 2 });
  await eventually(() => (server.errors.split('the top level runs').length > 2 ? true : undefined));
  expect(await server.stop()).toBe(0);
  expect(server.errors).toContain('Shutdown completed OK!');
  expect(server.errors).not.toContain('Error');
});
