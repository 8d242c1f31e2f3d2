import { BroadcastChannel, threadId } from 'node:worker_threads';
import type { QueuePort, QueueRequest } from '../../model/kept/index.ts';

/** The queues of kumo.mpsc live in the main thread; the others ask for what they want over one channel. */

const CHANNEL = 'moonpost queues';

type Asked = { ask: number; from: number; request: QueueRequest };
type Answered = { answer: number; to: number; value?: unknown; error?: string };

/** Answers the other threads of this process. Gives back what ends it. */
export function serveQueues(queues: QueuePort): () => void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = async (event: unknown) => {
    const message = (event as { data: Asked | Answered }).data;
    if (!('ask' in message)) return;
    const { ask: answer, from: to, request } = message;
    try {
      channel.postMessage({ answer, to, value: await queues.call(request) });
    } catch (error) {
      channel.postMessage({ answer, to, error: (error as Error).message });
    }
  };
  channel.unref();
  return () => channel.close();
}

/** The queues as another thread reaches them. A value that cannot be posted is an error. */
export function remoteQueues(): QueuePort & { close(): void } {
  const channel = new BroadcastChannel(CHANNEL);
  const asked = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let count = 0;
  channel.onmessage = (event: unknown) => {
    const message = (event as { data: Asked | Answered }).data;
    if (!('answer' in message) || message.to !== threadId) return;
    const waiting = asked.get(message.answer);
    asked.delete(message.answer);
    if (message.error === undefined) waiting?.resolve(message.value);
    else waiting?.reject(new Error(message.error));
  };
  channel.unref();
  return {
    call: (request) =>
      new Promise((resolve, reject) => {
        const ask = count++;
        channel.postMessage({ ask, from: threadId, request } satisfies Asked);
        asked.set(ask, { resolve, reject });
      }),
    close: () => channel.close(),
  };
}
