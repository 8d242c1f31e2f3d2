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
  /** Resolves when it has ended by itself, or has been ended after `grace` milliseconds. */
  end(grace: number): Promise<void>;
}

/**
 * Three semi-spaces of 8 MB instead of 16: a scavenge holds up the thread for half as long. Of 145 scripts that abuse
 * the policy engine 27 made gaps of more than 20 ms before, 16 after; bench/hostile. Mail is not slower for it.
 */
const YOUNG_GENERATION = { maxYoungGenerationSizeMb: 24 };

/** Starts a worker thread from the module at `entry` and hands it `start` as workerData. */
export function startThread<In, Out>(entry: URL, start: unknown, events: ThreadEvents<Out>): Thread<In> {
  const worker = new Worker(entry, { workerData: start, resourceLimits: YOUNG_GENERATION });
  let isEnded = false;
  const end = (why: string): void => {
    if (isEnded) return;
    isEnded = true;
    events.ended(why);
  };
  worker.on('message', (message: Out) => events.message(message));
  let failure: string | undefined;
  worker.on('error', (error) => {
    failure = error.stack ?? error.message;
  });
  worker.on('exit', () => end(failure ?? 'its thread ended'));
  return {
    post: (message) => worker.postMessage(message),
    end: (grace) =>
      new Promise((resolve) => {
        if (isEnded) {
          resolve();
          return;
        }
        const timer = setTimeout(() => void worker.terminate(), grace);
        worker.once('exit', () => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}

export { GenerationNumber } from './generation-number.ts';
export { remoteQueues, serveQueues } from './queue-channel.ts';
