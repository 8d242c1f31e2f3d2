import { ACQUIRE, EXTEND, GCRA, RELEASE, SHOW_NODE } from '../../../src/io/limits/redis-scripts.ts';
import { RedisAway, type RedisPort, type RedisReply } from '../../../src/io/redis/index.ts';
import { gcraAdmit, type ThrottleSpec } from '../../../src/model/index.ts';
import type { FakeClock } from '../../kit/fake-clock.ts';

/** What the scripts of limits do to a server, and CL.THROTTLE, on a fake clock. The scripts themselves meet a real one. */
export class FakeRedis {
  readonly #clock: FakeClock;
  readonly sets = new Map<string, Map<string, number>>();
  readonly cells = new Map<string, number>();
  /** Commands of redis-cell, as they came. */
  readonly asked: string[] = [];

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  /** A connection that can be cut. */
  connect(): RedisPort & { isUp: boolean } {
    const answer = (reply: () => RedisReply, isUp: boolean): Promise<RedisReply> =>
      isUp ? Promise.resolve().then(reply) : Promise.reject(new RedisAway('away'));
    const port = {
      isUp: true,
      send: (_key: string | undefined, args: readonly string[]) => answer(() => this.#cell(args), port.isUp),
      run: (script: object, key: string, args: readonly string[]) =>
        answer(() => this.#run(script, key, args), port.isUp),
      reportFailure: () => {
        port.isUp = false;
      },
    };
    return port;
  }

  /** Those who hold a slot now. */
  holders(key: string): Map<string, number> {
    const set = this.sets.get(key) ?? new Map<string, number>();
    this.sets.set(key, set);
    for (const [name, expiry] of set) if (expiry <= this.#now) set.delete(name);
    return set;
  }

  get #now(): number {
    return this.#clock.now() / 1000;
  }

  #run(script: object, key: string, args: readonly string[]): RedisReply {
    const set = this.holders(key);
    const [limit, held, ...names] = args;
    const expiry = this.#now + Number(held);
    switch (script) {
      case ACQUIRE:
        if (set.size >= Number(limit)) return 0;
        set.set(names[0]!, expiry);
        return 1;
      case EXTEND:
        return names.flatMap((name) => {
          if (!set.has(name) && set.size >= Number(limit)) return [Buffer.from(name)];
          set.set(name, expiry);
          return [];
        });
      case RELEASE:
        for (const name of args) set.delete(name);
        return args.length;
      case SHOW_NODE:
        return this.#show(set, args[0]!, Number(args[1]));
      case GCRA:
        throw new Error('throttles by script are for the real server');
      default:
        throw new Error('an unknown script');
    }
  }

  #show(set: Map<string, number>, name: string, remembered: number): RedisReply {
    const isNew = set.has(name) ? 0 : 1;
    set.set(name, this.#now + remembered);
    return [Buffer.from(String(this.#now)), [...set.keys()].map((one) => Buffer.from(one)), isNew];
  }

  /** github.com/brandur/redis-cell: a bucket of one more than the burst, answers in whole seconds. */
  #cell([command, key, burst, limit, period, cost]: readonly string[]): RedisReply {
    this.asked.push([command, key, burst, limit, period, cost].join(' '));
    const spec: ThrottleSpec = {
      limit: Number(limit),
      period: Number(period) * 1000,
      burst: Number(burst),
      local: false,
    };
    const { tat, verdict } = gcraAdmit(this.cells.get(key!) ?? 0, spec, this.#clock.now(), Number(cost));
    this.cells.set(key!, tat);
    const seconds = (ms: number | undefined): number => (ms === undefined ? -1 : Math.floor(ms / 1000));
    const { throttled, remaining, retryAfter, resetAfter } = verdict;
    return [throttled ? 1 : 0, spec.burst + 1, remaining, seconds(retryAfter), seconds(resetAfter)];
  }
}
