import { afterEach, expect, test } from 'vitest';
import { initLua, Moonpost } from '../kit/moonpost.ts';

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
