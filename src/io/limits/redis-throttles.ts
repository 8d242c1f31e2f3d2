import {
  type Clock,
  gcraCapacity,
  gcraDepth,
  gcraFill,
  gcraVerdict,
  type MaybePromise,
  type ThrottleFill,
  type ThrottleSpec,
  type Throttles,
  type ThrottleVerdict,
  throttleKey,
} from '../../model/index.ts';
import type { RedisPort } from '../redis/index.ts';
import type { RedisNodes } from './redis-nodes.ts';
import { GCRA } from './redis-scripts.ts';

/** Throttles of this process, which can count a bucket as empty at a time. */
export interface NodeThrottles extends Throttles {
  admit(key: string, spec: ThrottleSpec, quantity?: number, emptyAt?: number): MaybePromise<ThrottleVerdict>;
  look(key: string, spec: ThrottleSpec, emptyAt?: number): ThrottleFill;
}

export interface RedisThrottlesParts {
  link: RedisPort;
  nodes: RedisNodes;
  /** Those of this process. */
  local: NodeThrottles;
  clock: Clock;
  /** The server has redis-cell. */
  hasCell(): boolean;
}

/**
 * Throttles of all nodes that share a Redis. While it is away each node keeps to its part of the rate, in a bucket
 * that is empty when Redis goes: what was sent at once before is not sent again. When Redis is back, its buckets
 * count as empty at that time, since it does not know what was sent meanwhile, and each node keeps to its part until
 * all know. So no window sees more than one bucket and the rate.
 */
export class RedisThrottles implements Throttles {
  readonly #parts: RedisThrottlesParts;
  /** Buckets of redis-cell that are being emptied, or were, since Redis is back. */
  readonly #emptied = new Map<string, Promise<void>>();
  #emptiedSince: number | undefined;

  constructor(parts: RedisThrottlesParts) {
    this.#parts = parts;
  }

  admit(key: string, spec: ThrottleSpec, quantity = 1): MaybePromise<ThrottleVerdict> {
    const { local, link, nodes } = this.#parts;
    if (spec.local) return local.admit(key, spec, quantity);
    if (!link.isUp) return this.#admitShare(key, spec, quantity);
    if (nodes.isSettling) return this.#admitBoth(key, spec, quantity);
    // Refused or away: the mail goes on either way.
    return this.#ask(key, spec, quantity).catch(() => this.#admitShare(key, spec, quantity));
  }

  look(key: string, spec: ThrottleSpec): MaybePromise<ThrottleFill> {
    const { local, link, nodes } = this.#parts;
    if (spec.local) return local.look(key, spec);
    const share = (): ThrottleFill => local.look(`away ${key}`, nodes.throttle(spec), nodes.awaySince);
    // A request for nothing is always admitted, and says how far the bucket is from full.
    return link.isUp
      ? this.#ask(key, spec, 0).then(({ resetAfter }) => gcraFill(spec, resetAfter), share)
      : share();
  }

  #ask(key: string, spec: ThrottleSpec, quantity: number): Promise<ThrottleVerdict> {
    return this.#parts.hasCell() ? this.#askCell(key, spec, quantity) : this.#askScript(key, spec, quantity);
  }

  /** Nodes that do not know yet that Redis is back send their part of the rate, of which it learns nothing. */
  async #admitBoth(key: string, spec: ThrottleSpec, quantity: number): Promise<ThrottleVerdict> {
    const share = await this.#admitShare(key, spec, quantity);
    return share.throttled ? share : this.#ask(key, spec, quantity).catch(() => share);
  }

  #admitShare(key: string, spec: ThrottleSpec, quantity: number): MaybePromise<ThrottleVerdict> {
    const { local, nodes } = this.#parts;
    return local.admit(`away ${key}`, nodes.throttle(spec), quantity, nodes.awaySince);
  }

  async #askScript(key: string, spec: ThrottleSpec, quantity: number): Promise<ThrottleVerdict> {
    const interval = spec.period / spec.limit;
    const args = [interval, gcraDepth(spec), quantity * interval].map((ms) => String(ms / 1000));
    const { link, nodes } = this.#parts;
    const reply = await link.run(GCRA, throttleKey(key, spec), [...args, String(nodes.emptyAt)]);
    const [admitted, ahead] = reply as [number, Buffer];
    return gcraVerdict(spec, admitted === 1, Number(String(ahead)) * 1000, quantity);
  }

  /** CL.THROTTLE has a bucket of one more than its burst. */
  async #askCell(key: string, spec: ThrottleSpec, quantity: number): Promise<ThrottleVerdict> {
    const name = throttleKey(key, spec);
    const burst = String(gcraCapacity(spec) - 1);
    const ask = async (cost: number): Promise<number[]> => {
      const args = [name, burst, String(spec.limit), String(spec.period / 1000), String(cost)];
      return (await this.#parts.link.send(name, ['CL.THROTTLE', ...args])) as number[];
    };
    await this.#emptyFirst(name, spec, ask);
    const [refused, , remaining, retryAfter, resetAfter] = (await ask(quantity)) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const interval = spec.period / spec.limit;
    return {
      throttled: refused === 1,
      limit: spec.burst + 1,
      remaining,
      resetAfter: Math.max(0, resetAfter) * 1000,
      // It answers in whole seconds, which can be 0.
      retryAfter: refused === 1 ? Math.max(retryAfter * 1000, interval) : undefined,
    };
  }

  /** Takes what is in a bucket that Redis filled while it was away, once, and as long as that can matter. */
  #emptyFirst(
    name: string,
    spec: ThrottleSpec,
    ask: (cost: number) => Promise<number[]>,
  ): Promise<void> | undefined {
    const { nodes, clock } = this.#parts;
    const since = nodes.backSince;
    if (since === undefined || clock.monotonic() > since + gcraDepth(spec)) return undefined;
    // After so many names some are emptied twice, which sends less, not more.
    if (since !== this.#emptiedSince || this.#emptied.size > MOST_EMPTIED) this.#emptied.clear();
    this.#emptiedSince = since;
    let emptied = this.#emptied.get(name);
    if (emptied === undefined) {
      emptied = ask(0).then(async ([, , remaining]) => {
        if (remaining! > 0) await ask(remaining!);
      });
      this.#emptied.set(name, emptied);
    }
    return emptied;
  }
}

const MOST_EMPTIED = 100_000;
