import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { endPostfixTools, SmtpSink, SmtpSource } from './postfix-tools.ts';

afterEach(async () => {
  await endPostfixTools();
  await Moonpost.disposeAll();
});

const COUNT = 20_000;

describe.each([1, 2])('smtp-source to smtp-sink through %i shards', (shards) => {
  test(`${COUNT} messages: exact counts at both ends and in the log`, async () => {
    const sink = await SmtpSink.start();
    // Room for all, so that a slow sink makes no Delayed records.
    const policy = initLua() + relayLua(sink.port, { path: `max_ready = ${2 * COUNT}` });
    const server = await Moonpost.start({ policy, shards });
    expect(await new SmtpSource(server.smtp, COUNT).ended).toBe(0);
    await server.untilCounts({ Delivery: COUNT }, 120_000);
    expect(await server.stop()).toBe(0);
    expect(server.counts()).toEqual({ Reception: COUNT, Delivery: COUNT });
    const delivered = server.records().filter(({ type }) => type === 'Delivery');
    expect(new Set(delivered.map(({ recipient }) => recipient)).size).toBe(COUNT);
    const arrived = await sink.ids();
    expect(arrived).toHaveLength(COUNT);
    expect(new Set(arrived)).toEqual(new Set(delivered.map(({ id }) => id)));
  });

  test(`${COUNT} messages with kill -9 and restart in the middle: nothing that got a 250 is missing`, async () => {
    const limit = 10;
    const sink = await SmtpSink.start();
    const policy = initLua() + relayLua(sink.port, { path: `connection_limit = ${limit}` });
    const first = await Moonpost.start({ policy, shards });
    const before = new SmtpSource(first.smtp, COUNT, { verbose: true });
    await eventually(() => (before.ids.length >= COUNT / 4 ? true : undefined));
    await first.kill();
    await before.ended;
    expect(before.ids.length).toBeLessThan(COUNT);

    const second = await Moonpost.start({ policy, shards, directory: first.directory });
    const after = new SmtpSource(second.smtp, COUNT - before.ids.length, { verbose: true });
    expect(await after.ended).toBe(0);
    const acknowledged = [...before.ids, ...after.ids];
    expect(acknowledged).toHaveLength(COUNT);
    expect(new Set(acknowledged).size).toBe(COUNT);
    await sink.until(COUNT);
    // All that was acknowledged or only kept is through when the spool is empty.
    await second.untilEmpty();
    expect(await second.stop()).toBe(0);

    const arrived = await sink.ids();
    const distinct = new Set(arrived);
    expect(acknowledged.filter((id) => !distinct.has(id))).toEqual([]);
    // Twice: at most what was on the wire when it was killed. More than was acknowledged: at most one per session,
    // kept while its 250 was on the way.
    expect(arrived.length - distinct.size).toBeLessThanOrEqual(shards * limit);
    expect(distinct.size - COUNT).toBeLessThanOrEqual(20);
  });
});
