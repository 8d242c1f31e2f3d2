import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test as oneByOne, vi } from 'vitest';
import type { LogRecord } from '../../src/model/index.ts';
import { eventually } from '../kit/eventually.ts';
import { inject, numberOf } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, readRecords, relayLua } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

// Real processes on a machine that may be busy; they mostly wait, so several tests run at a time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const test = oneByOne.concurrent;

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

const newDirectory = (): string => mkdtempSync(join(tmpdir(), 'moonpost-'));

function spooledIn(server: Moonpost): number {
  return Number(/spooled in (\d+) msgs over [\d.]+s \d+\/s/.exec(server.errors)![1]);
}

test('attempts and due times survive SIGTERM', async () => {
  let refuse = true;
  const drop = await MailDrop.start({ data: () => (refuse ? '451 4.3.0 not now' : undefined) });
  const policy = initLua() + relayLua(drop.port, { queue: "retry_interval = '12s'" });
  const first = await Moonpost.start({ policy });
  await sendOne(first.smtp);
  const [, failure] = await first.untilCounts({ TransientFailure: 1 });
  expect(await first.stop()).toBe(0);
  refuse = false;
  const second = await Moonpost.start({ policy, directory: first.directory });
  expect(spooledIn(second)).toBe(1);
  const records = await second.untilCounts({ Delivery: 1 });
  expect(second.counts()).toEqual({ Reception: 1, TransientFailure: 1, Delivery: 1 });
  const delivery = records.at(-1)!;
  expect(delivery.num_attempts).toBe(1);
  expect(delivery.created_time).toBe(failure!.created_time);
  expect(delivery.nodeid).toBe(failure!.nodeid);
  // Not at once after the restart, but when it was due before.
  const waited = Date.parse(delivery.event_time) - Date.parse(failure!.event_time);
  expect(waited).toBeGreaterThanOrEqual(11_990);
});

test('SIGTERM finishes the delivery in hand, and it is not sent twice', async () => {
  let open = (): void => {};
  let came = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const inHand = new Promise<void>((resolve) => {
    came = resolve;
  });
  const drop = await MailDrop.start({
    hold: () => {
      came();
      return gate;
    },
  });
  const policy = initLua() + relayLua(drop.port);
  const server = await Moonpost.start({ policy });
  await sendOne(server.smtp);
  await inHand;
  const stopped = server.stop();
  await server.waitFor('-> stopping');
  open();
  expect(await stopped).toBe(0);
  expect(server.errors).toContain('Shutdown completed OK!');
  expect(server.counts()).toEqual({ Reception: 1, Delivery: 1 });
  const again = await Moonpost.start({ policy, directory: server.directory });
  expect(spooledIn(again)).toBe(0);
});

test.each(['SIGINT', 'SIGHUP'] as const)('%s ends it in order too', async (signal) => {
  const server = await Moonpost.start({ policy: initLua(), shards: 2 });
  expect(await server.stop(signal)).toBe(0);
  expect(server.errors).toContain('Shutdown completed OK!');
});

test.each([1, 2])(
  'kill -9 under load, %i shards: what got a 250 arrives, and twice at most what was being delivered',
  async (shards) => {
    const directory = newDirectory();
    const drop = await MailDrop.start();
    const limit = 8;
    const policy = initLua() + relayLua(drop.port, { path: `connection_limit = ${limit}` });
    const accepted = new Set<number>();
    const kills = 2;
    let server = await Moonpost.start({ policy, shards, directory });
    for (let round = 0; round < kills; round++) {
      const load = inject(server.smtp, {
        count: 100_000,
        first: round * 100_000,
        sessions: 16,
        onAccepted: (number) => accepted.add(number),
      });
      const target = accepted.size + 300;
      await eventually(() => (accepted.size >= target ? true : undefined));
      await server.kill();
      await load;
      server = await Moonpost.start({ policy, shards, directory });
    }
    const arrived = new Map<number, number>();
    await eventually(
      () => {
        arrived.clear();
        for (const { body } of drop.messages) {
          const number = numberOf(body);
          arrived.set(number, (arrived.get(number) ?? 0) + 1);
        }
        return [...accepted].every((number) => arrived.has(number)) ? true : undefined;
      },
      { what: () => `${[...accepted].filter((number) => !arrived.has(number)).length} messages are missing` },
    );
    // What was kept, but whose 250 did not get through, is delivered too: at most one for each session and kill.
    await server.untilEmpty();
    expect(await server.stop()).toBe(0);
    arrived.clear();
    for (const { body } of drop.messages) arrived.set(numberOf(body), 1);
    expect(arrived.size - accepted.size).toBeLessThanOrEqual(kills * 16);
    const twice = drop.messages.length - arrived.size;
    // What had been delivered but not yet struck off: the messages in hand, and those whose removal waited for
    // the next write of the spool, in each of the kills.
    expect(twice).toBeLessThanOrEqual(kills * shards * limit);
    const again = await Moonpost.start({ policy, shards, directory });
    expect(spooledIn(again)).toBe(0);
    expect(again.errors).not.toContain('quarantine');
  },
);

test('mail of many shards is delivered by one, and mail of one by many', async () => {
  const directory = newDirectory();
  const closed = await MailDrop.start({ data: () => '451 4.3.0 not now' });
  const keep = initLua() + relayLua(closed.port, { queue: "retry_interval = '1 hour'" });
  const three = await Moonpost.start({ policy: keep, shards: 3, directory });
  const { accepted } = await inject(three.smtp, { count: 120, sessions: 24 });
  await three.untilCounts({ TransientFailure: 120 });
  expect(await three.stop()).toBe(0);

  // An hour has not passed: nothing is sent, by any number of shards, and nothing is forgotten.
  const one = await Moonpost.start({ policy: keep, shards: 1, directory });
  expect(spooledIn(one)).toBe(120);
  expect(await one.stop()).toBe(0);
  const two = await Moonpost.start({ policy: keep, shards: 2, directory });
  expect(spooledIn(two)).toBe(120);
  const more = await inject(two.smtp, { count: 40, sessions: 16, first: 1000 });
  await two.untilCounts({ TransientFailure: 160 });
  expect(await two.stop()).toBe(0);
  const last = await Moonpost.start({ policy: keep, shards: 1, directory });
  expect(spooledIn(last)).toBe(160);
  expect(await last.stop()).toBe(0);
  const records = readRecords(join(directory, 'log')).filter(({ type }) => type === 'TransientFailure');
  expect(new Set(records.map(({ id }) => id))).toEqual(
    new Set([...accepted.values(), ...more.accepted.values()]),
  );
});

test('what waits across a change of shards is delivered when due', async () => {
  const directory = newDirectory();
  let refuse = true;
  const drop = await MailDrop.start({ data: () => (refuse ? '451 4.3.0 not now' : undefined) });
  const policy = initLua() + relayLua(drop.port, { queue: "retry_interval = '3s'" });
  const two = await Moonpost.start({ policy, shards: 2, directory });
  await inject(two.smtp, { count: 50, sessions: 16 });
  const failed = (records: readonly LogRecord[]): Set<string> =>
    new Set(records.filter(({ type }) => type === 'TransientFailure').map(({ id }) => id));
  await two.until((records) => failed(records).size === 50);
  expect(await two.kill()).toBeUndefined();
  refuse = false;
  const one = await Moonpost.start({ policy, shards: 1, directory });
  await one.untilCounts({ Delivery: 50 });
  expect(await one.stop()).toBe(0);
  const attempts = one
    .records()
    .filter(({ type }) => type === 'Delivery')
    .map(({ num_attempts }) => num_attempts);
  // Where it took long until all had failed, the first were tried again meanwhile.
  expect(Math.min(...attempts)).toBeGreaterThanOrEqual(1);
  expect(attempts).toHaveLength(50);
  expect(drop.messages.map(({ body }) => numberOf(body)).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 50 }, (_, n) => n),
  );
});
