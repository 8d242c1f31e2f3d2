import type {
  DeliveryEvent,
  Message,
  Outcome,
  RecordType,
  RequeueReason,
  Settlement,
} from '../../model/index.ts';
import type { EnvelopeAddress, Reply } from '../../protocol/smtp/index.ts';
import type { AttemptResult } from '../delivery/index.ts';

/** What the records of an attempt say besides the outcome. */
export type AttemptFacts = Omit<DeliveryEvent, 'type' | 'subject' | 'recipients' | 'response' | 'attempts'>;

const recordTypes: Record<Outcome['kind'], RecordType> = {
  delivered: 'Delivery',
  transient: 'TransientFailure',
  permanent: 'Bounce',
};

/** The events of one attempt: recipients with the same reply share a record (delivery.md section 9). */
export function attemptEvents(
  message: Message,
  attempts: number,
  outcomes: readonly Outcome[],
  facts: AttemptFacts,
): DeliveryEvent[] {
  const groups: { outcome: Outcome; recipients: string[] }[] = [];
  outcomes.forEach((outcome, index) => {
    const recipient = message.recipients[index]!.email;
    const group = groups.find((candidate) => sameOutcome(candidate.outcome, outcome));
    if (group === undefined) groups.push({ outcome, recipients: [recipient] });
    else group.recipients.push(recipient);
  });
  return groups.map(({ outcome, recipients }) => ({
    ...facts,
    type: recordTypes[outcome.kind],
    subject: message,
    recipients,
    response: outcome.reply,
    attempts,
  }));
}

/**
 * What is to become of a message after an attempt with these outcomes, one per recipient. `reasons`: what else than
 * the answer of a host puts it back.
 */
export function settlementOf(
  message: Message,
  outcomes: readonly Outcome[],
  reasons: readonly RequeueReason[] = [],
): Settlement {
  const remaining: EnvelopeAddress[] = [];
  let reply: Reply | undefined;
  outcomes.forEach((outcome, index) => {
    if (outcome.kind !== 'transient') return;
    reply ??= outcome.reply;
    remaining.push(message.recipients[index]!);
  });
  if (reply === undefined) return { kind: 'done' };
  return {
    kind: 'requeue',
    reply,
    reasons: [...reasons, 'LoggedTransientFailure'],
    counted: true,
    delay: undefined,
    ...(remaining.length < outcomes.length ? { remaining } : {}),
  };
}

function sameOutcome(a: Outcome, b: Outcome): boolean {
  return (
    a.kind === b.kind &&
    a.reply.code === b.reply.code &&
    a.reply.content === b.reply.content &&
    a.reply.command === b.reply.command &&
    a.reply.enhanced?.class === b.reply.enhanced?.class &&
    a.reply.enhanced?.subject === b.reply.enhanced?.subject &&
    a.reply.enhanced?.detail === b.reply.enhanced?.detail
  );
}

export const isTransient = ({ kind }: Outcome): boolean => kind === 'transient';

/** The outcomes of an attempt in the order of its recipients. */
export function inOrder(result: AttemptResult, count: number): Outcome[] {
  const outcomes: Outcome[] = new Array(count);
  for (const { recipient, outcome } of result.outcomes) outcomes[recipient] = outcome;
  return outcomes;
}
