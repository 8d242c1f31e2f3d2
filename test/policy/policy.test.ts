import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { luaModules, luaObjects } from '../../src/api/lua/index.ts';
import { systemClock } from '../../src/io/clock/index.ts';
import { ConfiguredResolvers } from '../../src/io/dns/index.ts';
import { LocalThrottles } from '../../src/io/limits/index.ts';
import { Registry } from '../../src/io/metrics/index.ts';
import { ConfiguredMtaSts } from '../../src/io/mta-sts/index.ts';
import { createPolicyEngine } from '../../src/lua/index.ts';
import { parseOptions } from '../../src/model/define/index.ts';
import { events } from '../../src/model/events/index.ts';
import { budgetOptions } from '../../src/model/options/index.ts';
import { policyInjection, shardInjection } from '../../src/shard-injection.ts';
import { notingHost } from '../api/lua/kit.ts';
import { startEchoServer } from '../kit/echo-server.ts';

/** Runs every *.test.lua beside this file as a policy; see testing.lua. */

// The machine may be busy.
vi.setConfig({ testTimeout: 180_000 });

const PREFIX = 'test: ';
const echo = await startEchoServer();
afterAll(() => echo.stop());
/** Budgets have tests of their own; these go to the bounds of everything else. */
const ample = {
  ...parseOptions(budgetOptions, {}),
  cpu_time: 60_000,
  instructions: 1e10,
  unbroken_time: 10_000,
  call_time: 60_000,
  memory: 2 ** 30,
};

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.test.lua'));

for (const file of files) {
  // What tests wait for is real, such as files, so time is too.
  const host = Object.assign(notingHost(), { clock: systemClock });
  const resolvers = new ConfiguredResolvers(systemClock, () => host.declarations);
  const declared = (kind: string) => host.declarations.findLast((entry) => entry.kind === kind)?.options;
  const mtaSts = new ConfiguredMtaSts(
    { resolver: resolvers.main, clock: systemClock, diagnostics: host.diagnostics },
    () => host.declarations,
  );
  const throttles = new LocalThrottles(systemClock);
  Object.assign(host, {
    mtaSts,
    throttles,
    resolver: resolvers.main,
    resolverNamed: resolvers.named,
    declared,
  });
  const { engine } = await createPolicyEngine({
    file: join(import.meta.dirname, file),
    modules: luaModules,
    objects: luaObjects,
    events,
    host,
    helpersDir: join(import.meta.dirname, '../../helpers'),
    budget: ample,
  });

  const injection = shardInjection({
    declarations: [],
    nodeId: '00000000-0000-4000-8000-00000000000a',
    shard: 0,
    policy: engine,
    throttles,
    registry: new Registry(),
    newMessageId: () => host.newMessageId(),
    refusal: () => undefined,
    take: (message) => host.inject(message),
  });
  Object.assign(host, { injection: policyInjection(() => injection, 'mx.example') });

  const started = await engine.fire('pre_init', []);
  if (started.kind === 'error') throw new Error(started.message);

  describe(file, () => {
    afterAll(() => engine.close());
    const names = [...engine.handledEvents].filter((name) => name.startsWith(PREFIX));

    test('has tests', () => expect(names).not.toEqual([]));

    test.each(names.map((name) => [name.slice(PREFIX.length)]))('%s', async (name) => {
      const directory = mkdtempSync(join(tmpdir(), 'moonpost-policy-'));
      try {
        const result = await engine.fire(PREFIX + name, [directory, echo.url]);
        if (result.kind === 'error') throw new Error(result.message);
        expect(result.kind).toBe('values');
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
  });
}
