import type { MaybePromise } from '../../../model/index.ts';
import type { MailCommand } from '../../../protocol/smtp/index.ts';
import { type Answer, answer, refusalOf, shedding } from '../answer.ts';
import type { SessionContext } from '../context.ts';
import { andThen } from '../maybe-promise.ts';

/** RFC 5321 §4.1.1.2. EHLO need not come first. */
export function mail(context: SessionContext, command: MailCommand): MaybePromise<Answer> {
  if (context.transaction !== undefined) {
    return answer(503, '5.5.0', 'MAIL FROM already issued; you must RSET first');
  }
  const shed = context.parameters.refusal();
  if (shed !== undefined) return shedding(context.hostname, shed);
  // RFC 1870 §6.1: the declared size is enough to refuse.
  if (command.size !== undefined && command.size > context.options.max_message_size) {
    return answer(552, '5.3.4', 'message too big');
  }
  const sender = command.sender;
  // RFC 6531 §3.5: 550 or 553 with X.6.7.
  if (!command.smtpUtf8 && sender.isInternationalized)
    return answer(553, '5.6.7', 'address requires SMTPUTF8');
  return andThen(context.fire('smtp_server_mail_from', [sender, context.meta]), (result) => {
    const refusal = refusalOf(result, context.hostname);
    if (refusal !== undefined) return refusal;
    context.transaction = {
      sender,
      recipients: [],
      smtpUtf8: command.smtpUtf8,
      began: context.parameters.clock.monotonic(),
      chunks: undefined,
      deadline: Number.POSITIVE_INFINITY,
    };
    return answer(250, '', `OK <${sender.email}>`);
  });
}
