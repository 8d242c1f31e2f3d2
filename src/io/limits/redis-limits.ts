import { randomUUID } from 'node:crypto';
import type { Clock, Counters, Diagnostics } from '../../model/index.ts';
import type { RedisThrottleOptions } from '../../model/options/index.ts';
import { connectRedis, describeEndpoint, RedisLink, type RedisReply } from '../redis/index.ts';
import { type NodeLeases, RedisLeases } from './redis-leases.ts';
import { RedisNodes } from './redis-nodes.ts';
import { type NodeThrottles, RedisThrottles } from './redis-throttles.ts';
import type { AttachedLimits } from './shared-limits.ts';

/** Longest wait for Redis, in ms, whatever the policy says: mail waits as long. */
const LONGEST = 1000;

export interface RedisLimitsParts {
  options: RedisThrottleOptions;
  nodeId: string;
  clock: Clock;
  diagnostics: Diagnostics;
  /** In [0, 1). */
  random(): number;
  onChange?(isUp: boolean): void;
  onOperation?(operation: string, status: 'ok' | 'error', milliseconds: number): void;
}

/** Limits of one process that Redis can be put over. */
export interface NodeLimits extends AttachedLimits {
  readonly throttles: NodeThrottles;
  readonly leases: NodeLeases;
}

/** Limits of all nodes that share a Redis, as one shard sees them. */
export interface RedisLimits extends AttachedLimits {
  /** False while Redis is away and the part of this node holds. */
  readonly isUp: boolean;
  /** How many nodes share, as far as this one knows. */
  readonly nodes: number;
  /** Resolves when Redis is up, or known to be away. Mail may flow before: the part of this node holds. */
  start(): Promise<void>;
}

/** How a shard of this process came to stand with Redis. One of them speaks for all. */
const AWAY = 'shards without Redis';

/** Puts Redis over the limits of this process; counters stay within it. */
export function limitsOverRedis(local: NodeLimits, parts: RedisLimitsParts): RedisLimits {
  const { options, clock, random } = parts;
  const nodes = new RedisNodes(clock, parts.nodeId, options.nodes);
  const log = new AwayLog(local.counters, parts.diagnostics, options, () => nodes.count);
  let hasCell = false;
  let isFirst = true;
  const endpoint = { ...options, connect_timeout: Math.min(options.connect_timeout, LONGEST) };
  const link: RedisLink = new RedisLink({
    connect: (onLost) => connectRedis(endpoint, onLost),
    clock,
    random,
    responseTimeout: Math.min(options.response_timeout, LONGEST),
    async prepare(commands) {
      const found = (await commands.send(undefined, ['COMMAND', 'INFO', 'CL.THROTTLE'])) as RedisReply[];
      hasCell = (found[0] ?? null) !== null;
      await nodes.show(commands);
    },
    onUp() {
      nodes.up(link, isFirst);
      isFirst = false;
      leases.enter();
      log.back();
      parts.onChange?.(true);
    },
    onAway(why) {
      isFirst = false;
      nodes.away();
      leases.away();
      log.away(why);
      parts.onChange?.(false);
    },
    ...(parts.onOperation !== undefined && { onOperation: parts.onOperation }),
  });
  const shared = { link, nodes, clock };
  const throttles = new RedisThrottles({ ...shared, local: local.throttles, hasCell: () => hasCell });
  const leases = new RedisLeases({ ...shared, local: local.leases, random, newName: randomUUID });
  return {
    throttles,
    leases,
    counters: local.counters,
    get isUp() {
      return link.isUp;
    },
    get nodes() {
      return nodes.count;
    },
    start: () => link.start(),
    refusedFull: () => local.refusedFull(),
    close() {
      leases.close();
      local.close();
      void nodes.leave(link).finally(() => link.close());
    },
  };
}

/** Says once per process that Redis went away and once that it is back, whatever the number of shards. */
class AwayLog {
  readonly #counters: Counters;
  readonly #diagnostics: Diagnostics;
  readonly #options: RedisThrottleOptions;
  readonly #nodes: () => number;
  #isAway = false;

  constructor(
    counters: Counters,
    diagnostics: Diagnostics,
    options: RedisThrottleOptions,
    nodes: () => number,
  ) {
    this.#counters = counters;
    this.#diagnostics = diagnostics;
    this.#options = options;
    this.#nodes = nodes;
  }

  away(why: string): void {
    if (this.#isAway) return;
    this.#isAway = true;
    if (this.#counters.add(AWAY, 1) !== 1) return;
    const part = `this node keeps to 1/${this.#nodes()} of each shared limit until it is back`;
    this.#diagnostics.warn('redis', `${describeEndpoint(this.#options)} is away (${why}); ${part}`);
  }

  back(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    if (this.#counters.add(AWAY, -1) !== 0) return;
    this.#diagnostics.info('redis', `${describeEndpoint(this.#options)} is back; limits are shared again`);
  }
}
