import { LRUCache } from 'lru-cache';
import {
  type Clock,
  DEFERRED_INJECTION_QUEUE,
  GENERATOR_QUEUE,
  NULL_QUEUE,
  type PolicyEvents,
  type PolicyResult,
  type QueueNameParts,
  transferTarget,
} from '../../model/index.ts';
import { defaultQueueOptions, QueueConfig, type QueueOptions } from '../../model/options/index.ts';

/** Policy could not say how a queue is configured. `message` is for the log; peers get a generic reply. */
export class QueueConfigError extends Error {
  /** The handler took too long and was stopped. */
  readonly overBudget: boolean;

  constructor(message: string, overBudget = false) {
    super(message);
    this.overBudget = overBudget;
  }
}

/** A failure is not asked for again for this long, ms (delivery.md section 2). */
const NEGATIVE_TTL = 60_000;

/** Queues that policy is not asked about, with their retry_interval in ms (delivery.md section 2). */
const BUILT_IN: ReadonlyMap<string, number> = new Map([
  [NULL_QUEUE, 10_000],
  [GENERATOR_QUEUE, 10_000],
  [DEFERRED_INJECTION_QUEUE, 60_000],
]);

/** Of queues to other nodes. A message does not get too old on its way; it may once it is there. */
const TRANSFER = { retry_interval: 10_000, max_retry_interval: 60_000, max_age: 100 * 31_557_600_000 };

/** Asks policy for the configuration of scheduled queues. */
export class QueueConfigs {
  readonly #policy: PolicyEvents;
  readonly #clock: Clock;
  readonly #failures = new LRUCache<string, { error: QueueConfigError; until: number }>({ max: 4096 });

  constructor(policy: PolicyEvents, clock: Clock) {
    this.#policy = policy;
    this.#clock = clock;
  }

  /** Policy has changed: what failed is asked for again. */
  forgetFailures(): void {
    this.#failures.clear();
  }

  /** The configuration of the queue; defaults when no handler answers. Throws QueueConfigError. */
  async fetch(name: string, parts: QueueNameParts): Promise<QueueOptions> {
    const retryInterval = BUILT_IN.get(name);
    if (retryInterval !== undefined) return { ...defaultQueueOptions(), retry_interval: retryInterval };
    const target = transferTarget(name);
    if (target !== undefined)
      return { ...defaultQueueOptions(), ...TRANSFER, protocol: { kind: 'xfer', target } };
    const failure = this.#failures.get(name);
    if (failure !== undefined && failure.until > this.#clock.monotonic()) throw failure.error;
    const args = [parts.domain, parts.tenant, parts.campaign, parts.routingDomain];
    try {
      return optionsOf(name, await this.#policy.fire('get_queue_config', args));
    } catch (error) {
      if (error instanceof QueueConfigError) {
        this.#failures.set(name, { error, until: this.#clock.monotonic() + NEGATIVE_TTL });
      }
      throw error;
    }
  }
}

function optionsOf(name: string, result: PolicyResult): QueueOptions {
  switch (result.kind) {
    case 'absent':
      return defaultQueueOptions();
    case 'values':
      if (result.values[0] instanceof QueueConfig) return result.values[0].options;
      throw new QueueConfigError(`get_queue_config for ${name} must return kumo.make_queue_config{...}`);
    case 'reject':
      throw new QueueConfigError(`get_queue_config for ${name}: ${result.code} ${result.text}`);
    case 'error':
      throw new QueueConfigError(`get_queue_config for ${name}: ${result.message}`, result.overBudget);
  }
}
