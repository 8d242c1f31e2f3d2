import {
  ConnectionMeta,
  cloneJson,
  DEFERRED_INJECTION_QUEUE,
  type MaybePromise,
  type PolicyResult,
  type QueuedMessage,
  redirectTo,
} from '../../model/index.ts';
import { type Reply, reply, replyFromText } from '../../protocol/smtp/index.ts';
import { type InternalSite, internalAttempt } from './internal-attempt.ts';
import type { ReadyParts } from './parts.ts';
import { type OnStopping, WorkerQueue } from './worker-queue.ts';

const EVENT = 'smtp_server_message_deferred_inject';
/** Handlers that run at a time; each has a Lua state of its own. */
const HANDLERS = 16;
const INTERNAL: InternalSite = {
  site: `unspecified->${DEFERRED_INJECTION_QUEUE}@defersmtpinject`,
  deliveryProtocol: 'DeferredSmtpInjection',
};

/**
 * Messages of listeners with `deferred_queue`, which policy sees only now. Where it lets them pass they go on to the
 * queue that their metadata names.
 */
export function injectionQueue(parts: ReadyParts): WorkerQueue {
  return new WorkerQueue(parts, 'deferred injection', 'defersmtpinject', HANDLERS, (queued, onStopping) =>
    inject(parts, queued, onStopping),
  );
}

async function inject(parts: ReadyParts, queued: QueuedMessage, onStopping: OnStopping): Promise<void> {
  const message = await parts.store.load(queued);
  await message.data();
  // Should it fail, the next try begins with the message as it came.
  const takeBack = message.remember();
  message.meta.queue = null;
  message.dirty = true;
  const { queue: _, ...connection } = message.meta;
  const meta = new ConnectionMeta(cloneJson(connection));
  const result = await unlessStopping(parts.policy.fire(EVENT, [message, meta]), onStopping);
  if (result === 'stopping') return;
  const failure = failureOf(result);
  if (failure === undefined) {
    if (parts.developmentRecipient !== undefined) await redirectTo(parts.developmentRecipient, message);
    queued.home.settle(queued, { kind: 'rebound', message, takeBack, protocol: INTERNAL.deliveryProtocol });
    return;
  }
  takeBack();
  const isFinal = failure.code >= 500;
  await parts.log.write(
    internalAttempt(queued, message, INTERNAL, isFinal ? 'Bounce' : 'TransientFailure', failure),
  );
  if (isFinal) queued.home.settle(queued, { kind: 'done' });
  else {
    queued.home.settle(queued, {
      kind: 'requeue',
      reply: failure,
      reasons: ['LoggedTransientFailure'],
      counted: true,
      delay: undefined,
    });
  }
}

/** A handler may wait for long. The spool has the message as it came, so nothing is lost by leaving it behind. */
function unlessStopping(
  fired: MaybePromise<PolicyResult>,
  onStopping: OnStopping,
): MaybePromise<PolicyResult | 'stopping'> {
  if (!(fired instanceof Promise)) return fired;
  return new Promise((resolve, reject) => {
    const cancel = onStopping(() => resolve('stopping'));
    fired.then(resolve, reject).finally(cancel);
  });
}

/** policy-api.md 1.4: a rejection keeps its code, any other error is 450. */
function failureOf(result: PolicyResult): Reply | undefined {
  if (result.kind === 'error') return reply(450, '', result.message);
  return result.kind === 'reject' ? replyFromText(result.code, result.text) : undefined;
}
