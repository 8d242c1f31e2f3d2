import {
  defineOptions,
  duration,
  field,
  formatOptions,
  list,
  type OptionsOf,
  oneOf,
  parseOptions,
  string,
  table,
  throttleSpec,
} from '../define/index.ts';
import type { Json } from '../json.ts';
import { queueProtocol } from './queue-protocol.ts';

export const shrinkOptions = defineOptions(
  'make_queue_config.shrink_policy',
  { luaClass: 'kumo.ShrinkPolicyEntry', doc: 'What leaves memory when a message waits at least this long.' },
  {
    interval: field(duration(), {
      required: true,
      doc: 'Shortest wait for which the entry counts.',
    }),
    policy: field(oneOf('ShrinkDataAndMeta', 'ShrinkData', 'NoShrink'), {
      required: true,
      doc: 'What leaves memory: body and metadata, the body only, or nothing.',
    }),
  },
);

export const queueOptions = defineOptions(
  'make_queue_config',
  {
    luaClass: 'kumo.QueueOptions',
    doc: 'How one scheduled queue retries, for how long, and where it leads.',
  },
  {
    egress_pool: field(string(), {
      default: 'unspecified',
      doc: 'Name of the pool that sends for this queue.',
    }),
    retry_interval: field(duration(), {
      default: '20m',
      doc: 'Wait before the first retry. It doubles with every failed attempt, plus or minus a jitter.',
    }),
    max_retry_interval: field(duration(), {
      doc: 'Longest wait between attempts. Without it the waits keep doubling.',
    }),
    max_age: field(duration(), {
      default: '7 days',
      doc: 'A message older than this at its next attempt expires.',
    }),
    max_message_rate: field(throttleSpec(), {
      doc: 'How fast messages may leave this queue for the ready queues.',
    }),
    protocol: field(queueProtocol(), {
      default: { smtp: {} },
      doc: 'How messages of this queue are delivered.',
    }),
    refresh_strategy: field(oneOf('Ttl', 'Epoch'), {
      default: 'Ttl',
      doc: 'When the configuration is asked for again: after refresh_interval, or when the policy changes.',
    }),
    refresh_interval: field(duration(), {
      default: '1m',
      doc: 'With Ttl: how long the configuration is used.',
    }),
    reap_interval: field(duration(), { default: '10m', doc: 'An empty queue is forgotten after this long.' }),
    provider_name: field(string(), { doc: 'Provider that metrics and log records name.' }),
    strategy: field(oneOf('SingletonTimerWheel', 'SingletonTimerWheelV2', 'TimerWheel', 'SkipList'), {
      default: 'SingletonTimerWheel',
      doc: 'Structure that keeps the due times. Moonpost has one, exact to a millisecond; all names select it.',
    }),
    timerwheel_tick_interval: field(duration(), {
      doc: 'Tick of a TimerWheel queue. Without meaning for the structure that Moonpost has.',
    }),
    shrink_policy: field(list(table(shrinkOptions)), {
      default: [],
      doc: 'What leaves memory while a message waits; the last entry whose interval is not longer than the wait counts. Without effect: a message that waits has nothing in memory but its place in the queue.',
    }),
  },
);

export type QueueOptions = OptionsOf<typeof queueOptions>;

/** What kumo.make_queue_config gives and get_queue_config returns. */
export class QueueConfig {
  readonly options: QueueOptions;

  constructor(options: QueueOptions) {
    this.options = options;
  }

  /** The options as policy reads them back. */
  entries(): Record<string, unknown> {
    return formatOptions(queueOptions, this.options);
  }

  /** For what takes any value, such as json_encode, and in place of a table of options. */
  asJson(): { [key: string]: Json } {
    return formatOptions(queueOptions, this.options);
  }
}

/** What holds when no handler answers. */
export function defaultQueueOptions(): QueueOptions {
  return parseOptions(queueOptions, {});
}
