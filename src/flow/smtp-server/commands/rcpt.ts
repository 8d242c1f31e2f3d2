import type { MaybePromise } from '../../../model/index.ts';
import { formatHostPort } from '../../../protocol/ip/index.ts';
import type { EnvelopeAddress } from '../../../protocol/smtp/index.ts';
import { type Answer, answer, refusalOf, technicalDifficulties, tookTooLong } from '../answer.ts';
import type { SessionContext, Transaction } from '../context.ts';
import { andThen } from '../maybe-promise.ts';
import { mayAddress, relayFacts } from '../relay.ts';

/** RFC 5321 §4.1.1.3. */
export function rcpt(context: SessionContext, recipient: EnvelopeAddress): MaybePromise<Answer> {
  const transaction = context.transaction;
  if (transaction === undefined) return answer(503, '5.5.0', 'MAIL FROM must be issued first');
  // RFC 3030 §2: only BDAT may follow BDAT until the last chunk.
  if (transaction.chunks !== undefined) return answer(503, '5.5.1', 'RCPT TO may not follow BDAT');
  if (!transaction.smtpUtf8 && recipient.isInternationalized) {
    return answer(553, '5.6.7', 'address requires SMTPUTF8');
  }
  // RFC 5321 §4.5.3.1.10: 452, not 552, when a limit on recipients is reached.
  if (transaction.recipients.length >= context.options.max_recipients_per_message) {
    return answer(452, '4.5.3', 'too many recipients');
  }
  return andThen(relayFacts(context, transaction.sender, recipient), (facts) => {
    if (facts === 'stopped') return tookTooLong();
    if (facts === 'failed') return technicalDifficulties(context.hostname);
    if (!mayAddress(facts)) {
      return answer(
        550,
        '5.7.1',
        `relaying not permitted for ${formatHostPort(context.peer.address, context.peer.port)}`,
      );
    }
    return accept(context, transaction, recipient);
  });
}

function accept(
  context: SessionContext,
  transaction: Transaction,
  recipient: EnvelopeAddress,
): MaybePromise<Answer> {
  if (context.recipientCount >= context.options.max_messages_per_connection) {
    const reason = 'too many recipients on this connection';
    if (transaction.recipients.length > 0) return answer(452, '4.5.3', reason);
    return answer(421, '4.5.3', `${context.hostname} ${reason}`);
  }
  // A recipient that policy refuses counts as well.
  context.recipientCount += 1;
  return andThen(context.fire('smtp_server_rcpt_to', [recipient, context.meta]), (result) => {
    const refusal = refusalOf(result, context.hostname);
    if (refusal !== undefined) return refusal;
    transaction.recipients.push(recipient);
    return answer(250, '', `OK <${recipient.email}>`);
  });
}
