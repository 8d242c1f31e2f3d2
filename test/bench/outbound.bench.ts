/**
 * Mail for 50 receivers that fail in their ways drains through a policy with three sources, two pools, limits per
 * provider and several TLS modes. Prints how long it took, and holds every message id against the log and against
 * what the receivers recorded. Goals: accepted = delivered + bounced + queued, without a mismatch; at the receivers no
 * limit of the policy is ever exceeded, neither of connections nor of rates.
 *
 *   node test/bench/outbound.bench.ts [messages, default 100000] [shards, default 2] [seed, default 1]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../kit/eventually.ts';
import { inject } from '../kit/injector.ts';
import { Moonpost, readRecords } from '../kit/moonpost.ts';
import { account, domainOf, outboundPolicy, PROVIDERS, RECEIVERS, Receivers } from '../kit/outbound.ts';
import { seenLimits } from '../kit/provider-limits.ts';

const [messages = 100_000, shards = 2, seed = 1] = process.argv.slice(2).map(Number);
/** Messages for one receiver in a row, so that its limits are reached. */
const RUN = 40;
/** Longest wait for the queues to drain, ms. */
const PATIENCE = 3_600_000;

const directory = mkdtempSync(join(tmpdir(), 'moonpost-outbound-'));
const receivers = await Receivers.start(directory, seed);
const seconds = (since: number): number => (performance.now() - since) / 1000;
try {
  const server = await Moonpost.start({ policy: outboundPolicy(receivers.ports), shards });
  const begun = performance.now();
  const start = performance.timeOrigin + begun;
  const { accepted, refused } = await inject(server.smtp, {
    count: messages,
    sessions: 16,
    recipient: (number) => `rcpt-${number}@${domainOf(Math.floor(number / RUN) % RECEIVERS)}`,
  });
  const injected = seconds(begun);
  console.log(`accepted ${accepted.size}, refused ${refused.size}, in ${injected.toFixed(1)} s`);
  await eventually(
    async () => {
      const response = await fetch(`http://127.0.0.1:${server.http}/metrics.json`);
      const { message_count } = (await response.json()) as { message_count: { value: number } };
      if (message_count.value === 0) return true;
      await new Promise((done) => setTimeout(done, 500));
      return undefined;
    },
    { patience: PATIENCE, what: () => `the queues do not drain\n${server.errors.slice(-2000)}` },
  );
  const drained = seconds(begun);
  const resident = server.residentMemory() / 2 ** 20;
  const code = await server.stop();
  const counts = await receivers.stop();
  const log = readRecords(join(server.directory, 'log'));
  const result = account(accepted.values(), log, receivers.ends(), receivers.ports);
  const { mismatches, ...figures } = result;
  console.log(
    `drained after ${drained.toFixed(1)} s, ${Math.round(messages / drained)}/s; RssAnon ${resident.toFixed(0)} MiB; exit ${code}`,
  );
  console.log(JSON.stringify(figures));
  console.log(JSON.stringify(counts));
  const isExact = figures.accepted === figures.delivered + figures.bounced + figures.queued;
  console.log(`accepted = delivered + bounced + queued: ${isExact}; mismatches: ${mismatches.length}`);
  for (const mismatch of mismatches.slice(0, 50)) console.log(`  ${mismatch}`);
  const seen = seenLimits(receivers.ends(), receivers.visits(), receivers.ports, start);
  for (const { provider, mostAtSite, mostTogether, busiestSecond } of seen.providers) {
    console.log(
      `provider ${provider}: at most ${mostAtSite} connections of a source to a site, ${mostTogether} together, ` +
        `${busiestSecond} messages in a second; limits ${JSON.stringify(PROVIDERS[provider])}`,
    );
  }
  console.log(`limits exceeded at the receivers: ${seen.exceeded.length}`);
  for (const text of seen.exceeded.slice(0, 50)) console.log(`  ${text}`);
  if (!isExact || seen.exceeded.length > 0 || mismatches.length > 0 || figures.queued > 0 || code !== 0)
    process.exitCode = 1;
} finally {
  receivers.kill();
  await Moonpost.disposeAll();
  rmSync(directory, { recursive: true, force: true });
}
