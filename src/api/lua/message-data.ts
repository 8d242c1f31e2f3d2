import type { MaybePromise, Message } from '../../model/index.ts';

/** Does something with the whole message, waiting only when it must be loaded. */
export function withData<T>(message: Message, use: (data: Buffer) => T): MaybePromise<T> {
  const data = message.data();
  return Buffer.isBuffer(data) ? use(data) : data.then(use);
}
