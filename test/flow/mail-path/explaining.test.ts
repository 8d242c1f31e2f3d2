import { describe, expect, test } from 'vitest';
import { LocalLeases, LocalThrottles } from '../../../src/io/limits/index.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import { type ExplainFacts, explain } from '../../../src/model/index.ts';
import {
  EgressPool,
  EgressSource,
  egressPoolOptions,
  egressSourceOptions,
} from '../../../src/model/options/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import {
  type Handler,
  mailRooms,
  pathConfig,
  queueConfig,
  type Rooms,
  returns,
} from '../../kit/mail-rooms.ts';

/** Counts what is taken. */
class WatchedThrottles extends LocalThrottles {
  admitted = 0;
  override admit(...args: Parameters<LocalThrottles['admit']>) {
    this.admitted++;
    return super.admit(...args);
  }
}
class WatchedLeases extends LocalLeases {
  asked = 0;
  override tryAcquire(...args: Parameters<LocalLeases['tryAcquire']>) {
    this.asked++;
    return super.tryAcquire(...args);
  }
}

const SOURCES = Array.from({ length: 20 }, (_, n) => `s${n}`);

function rooms(handlers: Record<string, unknown> = {}) {
  const clock = new FakeClock();
  const limits = { throttles: new WatchedThrottles(clock), leases: new WatchedLeases() };
  const all = {
    get_queue_config: () => queueConfig({ egress_pool: 'p', max_message_rate: '10/s' }),
    get_egress_pool: () =>
      returns(
        new EgressPool(
          parseOptions(egressPoolOptions, { name: 'p', entries: SOURCES.map((name) => ({ name })) }),
        ),
      ),
    get_egress_source: (name: string) =>
      returns(new EgressSource(parseOptions(egressSourceOptions, { name }))),
    get_egress_path_config: () => pathConfig({ max_message_rate: '1/h', source_selection_rate: '5/s' }),
    ...handlers,
  } as unknown as Record<string, Handler>;
  return { ...limits, made: mailRooms(all, undefined, clock, limits) };
}

const ofMessage = (made: Rooms, id: string): Promise<ExplainFacts | undefined> =>
  made.queues.explaining.explain({ kind: 'message', id }, false);
const ofQueue = (made: Rooms, name: string, even = true): Promise<ExplainFacts | undefined> =>
  made.queues.explaining.explain({ kind: 'queue', name }, even);

describe('explaining', () => {
  test('takes nothing, makes no queue and asks for no slot', async () => {
    const { made, throttles, leases } = rooms();
    const facts = await ofQueue(made, 'dest.example');
    expect(facts!.route).toMatchObject({
      pool: 'p',
      sourceCount: 20,
      site: { name: '(mx1|mx2).dest.example' },
    });
    expect(facts!.route!.sources).toHaveLength(8);
    expect(facts!.route!.sources[0]!.ready!.messageRates).toMatchObject([{ remaining: 1, capacity: 1 }]);
    expect(throttles.admitted).toBe(0);
    expect(leases.asked).toBe(0);
    expect([...made.queues.live()]).toEqual([]);
    expect([...made.ready.live()]).toEqual([]);
    expect(await ofQueue(made, 'dest.example', false)).toBeUndefined();
    expect(await ofMessage(made, '1'.repeat(32))).toBeUndefined();
  });

  test('of a large pool, the source that a message waits for is told of first', async () => {
    const { made } = rooms({
      get_queue_config: () => queueConfig({ egress_pool: 'p' }),
      get_egress_path_config: () => pathConfig({ connection_limit: 1 }),
    });
    made.peers.answer = (command) => (command === '.' ? 'silence' : undefined);
    // The sources take turns: all of them are busy with one message, and a second one waits at each.
    for (let n = 0; n < 2 * SOURCES.length; n++) await made.receive([`u${n}@dest.example`]);
    await made.clock.advance(10);
    const id = String(2 * SOURCES.length - 1).padStart(32, '0');
    const facts = await ofMessage(made, id);
    const queue = 's19->(mx1|mx2).dest.example@smtp_client';
    expect(facts!.message!.place).toEqual({ kind: 'ready', queue, source: 's19', ahead: 0 });
    expect(facts!.route!.sources.map(({ name }) => name).slice(0, 2)).toEqual(['s19', 's0']);
    expect(explain(facts!).answer).toContain(
      `It waits in ready queue ${queue} as the first: connection_limit = 1`,
    );
  });

  test('queues without sources are told of as they are', async () => {
    const { made } = rooms();
    const facts = await ofQueue(made, 'null');
    expect(facts!.route).toBeUndefined();
    expect(explain(facts!).answer).toBe('A message for queue null is dropped.');
    expect((await ofQueue(made, 'deferred_smtp_inject.kumomta.internal'))!.route).toBeUndefined();
  });

  test('no more than so many at a time', async () => {
    const { made } = rooms({ get_queue_config: () => new Promise(() => {}) });
    for (let n = 0; n < 32; n++) void ofQueue(made, `d${n}.example`);
    await expect(ofQueue(made, 'dest.example')).rejects.toThrow('too many explanations');
  });
});
