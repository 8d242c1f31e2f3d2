import type { Outcome, QueuedMessage } from '../../model/index.ts';
import { deliverToMaildirs, type MaildirTarget } from '../delivery/index.ts';
import { attemptEvents, settlementOf } from './attempt-records.ts';
import type { ReadyParts } from './parts.ts';
import { WorkerQueue } from './worker-queue.ts';

/** Messages written at a time; more only makes the disk's queue longer. */
const WRITERS = 8;

/** Messages on their way into maildirs of one path template, a few at a time. */
export function maildirQueue(parts: ReadyParts, target: MaildirTarget): WorkerQueue {
  return new WorkerQueue(parts, 'maildir', 'maildir', WRITERS, (queued) => write(parts, target, queued));
}

async function write(parts: ReadyParts, target: MaildirTarget, queued: QueuedMessage): Promise<void> {
  const message = await parts.store.load(queued);
  await message.data();
  const outcomes: Outcome[] = await deliverToMaildirs(message, queued.home, target);
  const facts = {
    queue: queued.home.name,
    site: '',
    peer: null,
    pool: queued.home.egressPool,
    deliveryProtocol: 'Maildir',
    providerName: queued.home.providerName,
  };
  try {
    for (const event of attemptEvents(message, queued.attempts, outcomes, facts)) {
      const waiting = parts.log.write(event);
      if (waiting instanceof Promise) await waiting;
    }
  } catch (error) {
    // The file is written: whatever is wrong with the log, it must not be written twice for it.
    parts.diagnostics.error('log', (error as Error).message);
  }
  queued.home.settle(queued, settlementOf(message, outcomes));
}
