import {
  GENERATOR_QUEUE,
  type GenerationOutcome,
  type Message,
  type QueuedMessage,
} from '../../model/index.ts';
import { type Reply, reply } from '../../protocol/smtp/index.ts';
import { type InternalSite, internalAttempt } from './internal-attempt.ts';
import type { ReadyParts } from './parts.ts';
import { WorkerQueue } from './worker-queue.ts';

/** Requests whose messages are made at a time. */
const GENERATORS = 2;
const INTERNAL: InternalSite = {
  site: `unspecified->${GENERATOR_QUEUE}@httpinject:generator`,
  deliveryProtocol: 'HttpInjectionGenerator',
};

/** Requests of the injection API with `deferred_generation`, whose delivery is that their messages are made. */
export function generationQueue(parts: ReadyParts): WorkerQueue {
  return new WorkerQueue(parts, 'deferred generation', 'httpinject', GENERATORS, (queued) =>
    generate(parts, queued),
  );
}

async function generate(parts: ReadyParts, queued: QueuedMessage): Promise<void> {
  const message = await parts.store.load(queued);
  await message.data();
  const outcome = await generated(parts, message);
  const response = replyOf(outcome);
  const type = ({ made: 'Delivery', failed: 'Bounce', later: 'TransientFailure' } as const)[outcome.kind];
  // What is made already must not be made again.
  if (outcome.kind === 'later') await parts.store.save(message);
  await parts.log.write(internalAttempt(queued, message, INTERNAL, type, response));
  if (outcome.kind !== 'later') queued.home.settle(queued, { kind: 'done' });
  else {
    queued.home.settle(queued, {
      kind: 'requeue',
      reply: response,
      reasons: ['LoggedTransientFailure'],
      counted: true,
      delay: undefined,
    });
  }
}

async function generated({ generate }: ReadyParts, message: Message): Promise<GenerationOutcome> {
  try {
    return await generate(message);
  } catch (error) {
    // What was accepted once can be made, or the texts of a request have become unfit: nobody can mend them.
    return { kind: 'failed', text: (error as Error).message };
  }
}

function replyOf({ kind, text }: GenerationOutcome): Reply {
  const code = { made: 200, failed: 500, later: 400 }[kind];
  return reply(code, '', text);
}
