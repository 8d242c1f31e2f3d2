import { threadId, Worker } from 'node:worker_threads';

/** Number of this thread in the process, 0 for the main one. */
export const threadNumber: number = threadId;

export interface ThreadEvents<Message> {
  message(message: Message): void;
  /** The thread is gone; `why` is its error, or that it just ended. Called once. */
  ended(why: string): void;
}

export interface Thread<Message> {
  post(message: Message): void;
  /** Ends it at once. */
  terminate(): Promise<void>;
}

/** Starts a worker thread from the module at `entry` and hands it `start` as workerData. */
export function startThread<In, Out>(entry: URL, start: unknown, events: ThreadEvents<Out>): Thread<In> {
  const worker = new Worker(entry, { workerData: start });
  let isEnded = false;
  const end = (why: string): void => {
    if (isEnded) return;
    isEnded = true;
    events.ended(why);
  };
  worker.on('message', (message: Out) => events.message(message));
  worker.on('error', (error) => end(error.stack ?? error.message));
  worker.on('exit', () => end('its thread ended'));
  return {
    post: (message) => worker.postMessage(message),
    terminate: async () => {
      await worker.terminate();
    },
  };
}

export { remoteQueues, serveQueues } from './queue-channel.ts';
