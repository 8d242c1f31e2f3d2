import type { Reply } from '../../protocol/smtp/index.ts';
import { replyText } from './answer.ts';
import type { SessionContext } from './context.ts';
import type { RejectionRecord } from './parameters.ts';

/** Whether the delivery log gets a Rejection for it: not for load shedding, idling and shutdown (operations.md 9.1). */
export function isRejection(reply: Reply): boolean {
  if (reply.code < 400) return false;
  return reply.code !== 421 || !replyText(reply).startsWith('4.3.2 ');
}

export function rejectionRecord(context: SessionContext, reply: Reply): RejectionRecord {
  const { sender, recipient } = context.lastEnvelope;
  return {
    reply,
    sender,
    recipient,
    meta: context.meta,
    peer: context.peer,
    ehloDomain: context.ehloDomain,
    sessionId: context.sessionId,
    tls: context.tls,
  };
}
