import {
  defineFunction,
  defineModule,
  defineObject,
  integer,
  methodsOf,
  number,
  optional,
  string,
} from '../../model/define/index.ts';
import {
  type KeptValue,
  keptForLua,
  MessageQueues,
  type QueuePort,
  type QueueRequest,
} from '../../model/kept/index.ts';
import { keptValue, sharedBy } from './kept.ts';

/** A queue by name, as policy holds it. */
export class PolicyQueue {
  readonly #port: QueuePort;
  readonly #queue: string;
  readonly #limit: number | undefined;

  constructor(port: QueuePort, queue: string, limit: number | undefined) {
    this.#port = port;
    this.#queue = queue;
    this.#limit = limit;
  }

  call(operation: QueueRequest['operation']): unknown {
    return this.#port.call({ queue: this.#queue, limit: this.#limit, operation });
  }
}

const portOf = sharedBy((host): QueuePort => host.queues ?? new MessageQueues(host.clock));

export const mpscModule = defineModule(
  'kumo.mpsc',
  { doc: 'Queues with many senders and one receiver, shared by the whole process.' },
  {
    define: defineFunction({
      params: { name: string(), limit: optional(integer({ min: 1 })) },
      returns: 'mpsc_queue',
      doc: 'The queue of that name; `limit` is the most values that wait in it, none by default.',
      call: ({ name, limit }, { host }) => new PolicyQueue(portOf(host), name, limit),
    }),
  },
);

const method = methodsOf<PolicyQueue>();
const first = (values: unknown) => keptForLua((values as KeptValue[] | undefined)?.[0]);

export const mpscQueueObject = defineObject(
  'mpsc_queue',
  PolicyQueue,
  { doc: 'A queue with many senders and one receiver. Tables come out as memoized_table.' },
  {
    send: method({
      params: { value: keptValue() },
      doc: 'Puts a value in, waiting for room. Raises an error when the queue is closed.',
      call: async (self, { value }) => void (await self.call({ kind: 'send', value })),
    }),
    send_timeout: method({
      params: { value: keptValue(), seconds: number() },
      doc: 'As send, but raises an error when there is no room for so long.',
      call: async (self, { value, seconds }) =>
        void (await self.call({ kind: 'send', value, timeout: seconds * 1000 })),
    }),
    try_send: method({
      params: { value: keptValue() },
      returns: 'boolean',
      doc: 'Puts a value in if there is room. Whether there was.',
      call: (self, { value }) => self.call({ kind: 'try_send', value }),
    }),
    recv: method({
      returns: 'any',
      doc: 'Takes the next value, waiting for one. nil when the queue is closed. Only one may wait.',
      call: async (self) => first(await self.call({ kind: 'recv', most: 1 })),
    }),
    try_recv: method({
      returns: 'any',
      doc: 'Takes the next value if there is one.',
      call: async (self) => keptForLua((await self.call({ kind: 'try_recv' })) as KeptValue),
    }),
    recv_many: method({
      params: { most: integer({ min: 1 }) },
      returns: 'any[]?',
      doc: 'Takes up to so many values, waiting for one. nil when the queue is closed.',
      call: async (self, { most }) =>
        ((await self.call({ kind: 'recv', most })) as KeptValue[] | undefined)?.map(keptForLua),
    }),
    len: method({ returns: 'integer', doc: 'Values that wait.', call: (self) => self.call({ kind: 'len' }) }),
    is_empty: method({
      returns: 'boolean',
      doc: 'Whether none waits.',
      call: async (self) => (await self.call({ kind: 'len' })) === 0,
    }),
    is_closed: method({
      returns: 'boolean',
      doc: 'Whether it is closed.',
      call: (self) => self.call({ kind: 'is_closed' }),
    }),
    close: method({ doc: 'Nobody may send any more.', call: (self) => self.call({ kind: 'close' }) }),
  },
);
