import { cloneJson, type Message, type MessageDisposition, NULL_QUEUE } from '../../model/index.ts';
import type { Judgement } from './reports.ts';

/** What those who watch the session are told of a message; `queue` is undefined for one that is refused. */
export function dispositionOf(
  message: Message,
  queue: string | undefined,
  judgement: Judgement,
): MessageDisposition {
  const { facts } = judgement;
  const recipients = message.recipients.map(({ email }) => email);
  return {
    relay: facts?.relays ?? true,
    log_arf: facts?.logArf ?? 'Ignore',
    log_oob: facts?.logOob ?? 'Ignore',
    queue: queue ?? '',
    meta: cloneJson(message.meta),
    sender: message.sender.email,
    recipient: recipients.length === 1 ? recipients[0]! : recipients,
    id: message.id,
    was_arf_or_oob: judgement.feedback !== undefined || judgement.bounces !== undefined,
    will_enqueue: judgement.verdict === 'relay' && queue !== undefined && queue !== NULL_QUEUE,
  };
}
