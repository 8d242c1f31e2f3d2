import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { inject } from '../kit/injector.ts';
import { Moonpost, readRecords } from '../kit/moonpost.ts';
import { account, domainOf, outboundPolicy, RECEIVERS, Receivers } from '../kit/outbound.ts';
import { seenLimits } from '../kit/provider-limits.ts';

// Waits for time-outs of the policy, and for as long as a busy machine takes.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 240_000 });
const MESSAGES = 2000;
const directory = mkdtempSync(join(tmpdir(), 'moonpost-receivers-'));
let receivers: Receivers | undefined;

afterAll(async () => {
  await Moonpost.disposeAll();
  receivers?.kill();
  rmSync(directory, { recursive: true, force: true });
});

test('mail to 50 receivers that fail in their ways: accepted = delivered + bounced + queued, by message id', async () => {
  receivers = await Receivers.start(directory);
  const { ports } = receivers;
  const policy = outboundPolicy(ports);
  const server = await Moonpost.start({ policy, shards: 2 });
  const start = performance.timeOrigin + performance.now();
  const { accepted, refused } = await inject(server.smtp, {
    count: MESSAGES,
    recipient: (number) => `rcpt-${number}@${domainOf(number % RECEIVERS)}`,
  });
  expect([...refused.values()]).toEqual([]);
  const ids = [...accepted.values()];

  // In the middle, what is neither delivered nor bounced is in the spool.
  await server.untilCounts({ Delivery: MESSAGES / 4 }, 240_000);
  expect(await server.stop()).toBe(0);
  const middle = account(ids, readRecords(join(server.directory, 'log')), receivers.ends(), ports);
  expect(middle.mismatches).toEqual([]);
  expect(middle).toMatchObject({ accepted: MESSAGES });
  const again = await Moonpost.start({ policy, directory: server.directory, shards: 2 });
  expect(Number(/spooled in (\d+) msgs/.exec(again.errors)?.[1] ?? 0)).toBe(middle.queued);

  await again.until((records) => {
    const finals = records.filter(({ type }) => type === 'Delivery' || type === 'Bounce');
    return finals.length >= MESSAGES;
  }, 240_000);
  await again.untilEmpty();
  expect(await again.stop()).toBe(0);
  const counts = await receivers.stop();
  const end = account(ids, readRecords(join(server.directory, 'log')), receivers.ends(), ports);
  expect(end.mismatches).toEqual([]);
  expect(end).toMatchObject({ accepted: MESSAGES, queued: 0, delivered: MESSAGES - end.bounced });
  expect(end.bounced).toBeGreaterThan(0);
  expect(end.transient).toBeGreaterThan(0);
  expect(Object.keys(counts.faults).length).toBeGreaterThan(10);
  const sources = new Set(
    again
      .records()
      .filter(({ type }) => type === 'Delivery')
      .map(({ egress_pool, egress_source }) => `${egress_pool}/${egress_source}`),
  );
  const seen = seenLimits(receivers.ends(), receivers.visits(), ports, start);
  // A server that ends forgets what its throttles have let through.
  expect(seen.exceeded.filter((text) => !text.includes('/s'))).toEqual([]);
  expect(seen.providers.every(({ mostAtSite }) => mostAtSite >= 1)).toBe(true);
  expect([...sources].sort()).toEqual(['bulk/s1', 'bulk/s2', 'premium/s2', 'premium/s3']);
});
