import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/io/clock/index.ts';
import { serveQueues } from '../../../src/io/threads/index.ts';
import { MessageQueues } from '../../../src/model/kept/index.ts';

test('another thread sends, receives, and gets errors', async () => {
  const queues = new MessageQueues(systemClock);
  onTestFinished(serveQueues(queues));
  const source = `
    import { parentPort } from 'node:worker_threads';
    import { remoteQueues } from '${new URL('../../../src/io/threads/index.ts', import.meta.url)}';
    const queues = remoteQueues();
    const call = (kind, more) => queues.call({ queue: 'q', limit: 2, operation: { kind, ...more } });
    const open = setInterval(() => {}, 1000);
    await call('send', { value: new Map([['a', 1]]) });
    const received = await call('recv', { most: 1 });
    await call('close');
    const error = await call('send', { value: 1 }).catch((error) => error.message);
    parentPort.postMessage({ received, error });
    clearInterval(open);
    queues.close();`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  const said = await new Promise((resolve, reject) => {
    worker.on('message', resolve);
    worker.on('error', reject);
  });
  expect(said).toEqual({ received: [new Map([['a', 1]])], error: "the queue 'q' is closed" });
  expect(queues.call({ queue: 'q', limit: undefined, operation: { kind: 'is_closed' } })).toBe(true);
  await worker.terminate();
});
