import { expect, test } from 'vitest';
import { openTraceChannels, SessionTap, serveTrace, TraceFeed } from '../../../src/io/smtp-trace/index.ts';
import type { TraceEvent } from '../../../src/model/index.ts';
import { eventually } from '../../kit/eventually.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A feed whose batches are kept; the reader never asks for more by itself. */
function feeding(limits = { events: 1000, length: 1e6 }) {
  const batches: TraceEvent[][] = [];
  const feed = new TraceFeed('server', limits, (texts) => {
    batches.push(texts.map((text) => JSON.parse(text) as TraceEvent));
  });
  const tap = new SessionTap(new FakeClock());
  tap.add(feed);
  const emit = (text: string, from = '10.0.0.1:1'): void =>
    tap.emit({ received_from: from }, { Read: text }, ['s3cret']);
  const reads = (): string[] =>
    batches.flat().map(({ payload }) => (payload as { Read?: string }).Read ?? JSON.stringify(payload));
  return { feed, tap, emit, batches, reads };
}

test('what happened before the request is filtered and sent with it, in order', async () => {
  const { feed, emit, batches, reads } = feeding();
  emit('early\r\n');
  emit('elsewhere\r\n', '11.0.0.1:1');
  await turn();
  expect(batches).toEqual([]);
  feed.start({ source_addr: ['10.0.0.0/8'], terse: true });
  emit('one\r\ntwo\r\n');
  emit('elsewhere\r\n', '11.0.0.1:1');
  await turn();
  expect(reads()).toEqual(['early\r\n', '{"AbbreviatedRead":{"snippet":"one\\r\\n","len":10}}']);
  expect(batches[0]![0]).toMatchObject({
    conn_meta: { received_from: '10.0.0.1:1' },
    when: expect.any(String),
  });
});

test('secrets are gone before anything waits', async () => {
  const { feed, emit, reads } = feeding();
  emit('s3cret and http://a:b@c\r\n');
  feed.start({});
  await turn();
  expect(reads()).toEqual(['*** and http://a:***@c\r\n']);
});

test('a reader gets the next batch only when it has taken the last', async () => {
  const { feed, emit, batches } = feeding();
  feed.start({});
  for (let count = 0; count < 600; count++) emit(`${count}\r\n`);
  await turn();
  await turn();
  expect(batches.map(({ length }) => length)).toEqual([256]);
  feed.more();
  await turn();
  feed.more();
  await turn();
  feed.more();
  await turn();
  expect(batches.map(({ length }) => length)).toEqual([256, 256, 88]);
});

test.each([
  ['events', { events: 3, length: 1e6 }],
  ['length', { events: 1000, length: 250 }],
])('a reader who is slow misses what is beyond the limit of %s, and is told where', async (_, limits) => {
  const { feed, emit, reads } = feeding(limits);
  feed.start({});
  for (const text of ['0', '1', '2']) emit(text);
  await turn();
  for (let count = 3; count < 20; count++) emit(`${count}`);
  expect(reads()).toEqual(['0', '1', '2']);
  feed.more();
  await turn();
  const lagged = '{"Diagnostic":{"level":"ERROR","message":"Tracer Lagged behind and missed 14 events"}}';
  expect(reads()).toEqual(['0', '1', '2', '3', '4', '5']);
  emit('20');
  feed.more();
  await turn();
  expect(reads().slice(6)).toEqual([lagged, '20']);
});

test('nothing is made of what nobody gets', () => {
  const { feed, tap } = feeding({ events: 1, length: 1e6 });
  feed.start({ source_addr: ['10.0.0.0/8'] });
  let made = 0;
  const payload = () => ({ Read: `${made++}` });
  tap.emit({ received_from: '11.0.0.1:1' }, payload, []);
  expect(made).toBe(0);
  tap.emit({ received_from: '10.0.0.1:1' }, payload, []);
  tap.emit({ received_from: '10.0.0.1:1' }, payload, []);
  expect(made).toBe(1);
});

test('a tap is watched while it has a feed', () => {
  const { feed, tap } = feeding();
  expect([tap.isWatched, tap.watchers]).toEqual([true, 1]);
  tap.remove(feed);
  expect([tap.isWatched, tap.watchers]).toEqual([false, 0]);
});

test('two shards, one reader: everything comes, the slow reader is not run over, and closing ends both', async () => {
  const taps = [new SessionTap(new FakeClock()), new SessionTap(new FakeClock())];
  const got: string[] = [];
  let underWay = 0;
  let most = 0;
  const trace = openTraceChannels('test-of-channels', 2, async (events) => {
    most = Math.max(most, ++underWay);
    await turn();
    got.push(...events.map((event) => ((JSON.parse(event) as TraceEvent).payload as { Read: string }).Read));
    underWay--;
  });
  const limits = { events: 10_000, length: 1e8 };
  for (const [shard, tap] of taps.entries()) {
    serveTrace({ trace: 'test-of-channels', side: 'server', shard }, tap, limits);
  }
  const emit = (shard: number, text: string): void => taps[shard]!.emit({}, { Read: text }, []);
  for (let count = 0; count < 1000; count++) for (const shard of [0, 1]) emit(shard, `${shard} ${count}`);
  trace.start({});
  await eventually(() => (got.length >= 2000 ? true : undefined), { what: () => `${got.length} came` });
  for (const shard of [0, 1]) {
    const own = got.filter((text) => text.startsWith(`${shard} `));
    expect(own).toEqual(Array.from({ length: 1000 }, (_, count) => `${shard} ${count}`));
  }
  expect(most).toBeLessThanOrEqual(2);
  trace.close();
  await eventually(() => (taps.every(({ isWatched }) => !isWatched) ? true : undefined), {
    what: () => 'the shards still feed',
  });
});
