import { type QueuedMessage, transferQueue } from '../../model/index.ts';
import { reply } from '../../protocol/smtp/index.ts';
import { type InternalSite, internalAttempt } from './internal-attempt.ts';
import type { ReadyParts } from './parts.ts';
import { WorkerQueue } from './worker-queue.ts';

type Client = NonNullable<ReadyParts['transfers']>;

/** Messages on their way to one node at a time; each waits for a write to the disk there. */
const SENDERS = 8;

/**
 * Messages that go to another node. One leaves the spool only when the node has said that it has it, so that a
 * transfer that is cut is done again; then both may have it.
 */
export function transferWorkers(parts: ReadyParts, client: Client, target: string): WorkerQueue {
  return new WorkerQueue(parts, 'xfer', 'xfer', SENDERS, (queued) => send(parts, client, target, queued));
}

async function send(parts: ReadyParts, client: Client, target: string, queued: QueuedMessage): Promise<void> {
  const message = await parts.store.load(queued);
  await message.data();
  const result = await client.send(message, target, parts.nodeId);
  const site: InternalSite = {
    site: `unspecified->${transferQueue(target)}@xfer`,
    deliveryProtocol: 'xfer',
  };
  if (result.kind === 'failed') {
    const response = reply(400, '', `KumoMTA internal: failed to send message: ${result.why}`);
    await parts.log.write(internalAttempt(queued, message, site, 'TransientFailure', response));
    queued.home.settle(queued, {
      kind: 'requeue',
      reply: response,
      reasons: ['LoggedTransientFailure'],
      counted: true,
      delay: undefined,
    });
    return;
  }
  const response = reply(250, '', `new id is ${result.id}`);
  try {
    await parts.log.write(internalAttempt(queued, message, site, 'XferOut', response));
  } catch (error) {
    // The node has it: whatever is wrong with the log, it must not go there twice for it.
    parts.diagnostics.error('log', (error as Error).message);
  }
  queued.home.settle(queued, { kind: 'done' });
  // Before the next one, so that a kill repeats at most what each sender has in hand.
  await parts.store.spool.removalsWritten();
}
