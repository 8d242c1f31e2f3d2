import type { Clock } from '../clock.ts';
import type { MaybePromise } from '../json.ts';
import type { KeptValue } from './kept-value.ts';

/** One thing to do with a queue of kumo.mpsc; plain data, so that it can be posted to another thread. */
export interface QueueRequest {
  readonly queue: string;
  /** Most values that wait; the first request decides. */
  readonly limit: number | undefined;
  readonly operation:
    | { kind: 'send'; value: KeptValue; timeout?: number | undefined }
    | { kind: 'try_send'; value: KeptValue }
    | { kind: 'recv'; most: number }
    | { kind: 'try_recv' }
    | { kind: 'len' | 'is_closed' | 'close' };
}

/** Where the queues of the process are. */
export interface QueuePort {
  call(request: QueueRequest): MaybePromise<unknown>;
}

interface Waiting {
  readonly value: KeptValue;
  resolve(): void;
  reject(error: Error): void;
}

/** Queues with many senders and one receiver, by name. Exists once per process. */
export class MessageQueues implements QueuePort {
  readonly #clock: Clock;
  readonly #queues = new Map<string, MessageQueue>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  call({ queue: name, limit, operation }: QueueRequest): MaybePromise<unknown> {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new MessageQueue(name, limit ?? Number.POSITIVE_INFINITY, this.#clock);
      this.#queues.set(name, queue);
    }
    switch (operation.kind) {
      case 'send':
        return queue.send(operation.value, operation.timeout);
      case 'try_send':
        return queue.trySend(operation.value);
      case 'recv':
        return queue.receive(operation.most);
      case 'try_recv':
        return queue.take(1)[0];
      case 'len':
        return queue.length;
      case 'is_closed':
        return queue.closed;
      case 'close':
        return queue.close();
    }
  }
}

class MessageQueue {
  readonly #name: string;
  readonly #limit: number;
  readonly #clock: Clock;
  #values: KeptValue[] = [];
  #senders: Waiting[] = [];
  #receiver: { most: number; resolve(values: KeptValue[] | undefined): void } | undefined;
  closed = false;

  constructor(name: string, limit: number, clock: Clock) {
    this.#name = name;
    this.#limit = limit;
    this.#clock = clock;
  }

  get length(): number {
    return this.#values.length;
  }

  trySend(value: KeptValue): boolean {
    if (this.closed) throw new Error(`the queue '${this.#name}' is closed`);
    if (this.#values.length >= this.#limit) return false;
    this.#values.push(value);
    this.#serve();
    return true;
  }

  /** Waits for room, at most `timeout` milliseconds. */
  send(value: KeptValue, timeout?: number): MaybePromise<void> {
    if (this.trySend(value)) return undefined;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sender = { value, resolve, reject };
    this.#senders.push(sender);
    if (timeout !== undefined) {
      const timer = this.#clock.after(timeout, () => {
        this.#senders = this.#senders.filter((other) => other !== sender);
        reject(new Error(`the queue '${this.#name}' stayed full`));
      });
      promise.then(
        () => timer.cancel(),
        () => timer.cancel(),
      );
    }
    return promise;
  }

  /** Up to `most` values, at least one; undefined when the queue is closed and empty. One may wait at a time. */
  receive(most: number): MaybePromise<KeptValue[] | undefined> {
    if (this.#receiver !== undefined)
      throw new Error(`somebody else receives from the queue '${this.#name}'`);
    const values = this.take(most);
    if (values.length > 0) return values;
    if (this.closed) return undefined;
    return new Promise((resolve) => {
      this.#receiver = { most, resolve };
    });
  }

  /** What is there, up to `most`; senders that wait move up. */
  take(most: number): KeptValue[] {
    const values = this.#values.splice(0, most);
    while (this.#senders.length > 0 && this.#values.length < this.#limit) {
      const sender = this.#senders.shift()!;
      this.#values.push(sender.value);
      sender.resolve();
    }
    return values;
  }

  /** Nobody may send any more; what is there can be received. */
  close(): void {
    this.closed = true;
    for (const { reject } of this.#senders.splice(0))
      reject(new Error(`the queue '${this.#name}' is closed`));
    this.#receiver?.resolve(undefined);
    this.#receiver = undefined;
  }

  #serve(): void {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    this.#receiver = undefined;
    receiver.resolve(this.take(receiver.most));
  }
}
