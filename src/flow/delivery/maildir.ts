import { deliverToMaildir } from '../../io/maildir/index.ts';
import {
  expandMaildirPath,
  type MaildirVariables,
  type Message,
  type MessageHome,
  type Outcome,
} from '../../model/index.ts';
import { type EnvelopeAddress, reply } from '../../protocol/smtp/index.ts';

/** The maildir way of a queue's `protocol` option. */
export interface MaildirTarget {
  /** Template; see expandMaildirPath. */
  maildir_path: string;
  /** Mode of directories that are made; 0700 when absent. */
  dir_mode?: number | undefined;
  /** Mode of message files; 0600 when absent. */
  file_mode?: number | undefined;
}

/** Writes the message once for each recipient. Outcomes are by recipient; a failure is transient (delivery.md 4). */
export async function deliverToMaildirs(
  message: Message,
  home: Pick<MessageHome, 'name' | 'parts'>,
  target: MaildirTarget,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const recipient of message.recipients) {
    outcomes.push(await deliverOne(message, recipient, home, target));
  }
  return outcomes;
}

async function deliverOne(
  message: Message,
  recipient: EnvelopeAddress,
  home: Pick<MessageHome, 'name' | 'parts'>,
  target: MaildirTarget,
): Promise<Outcome> {
  try {
    const file = await deliverToMaildir({
      path: expandMaildirPath(target.maildir_path, variablesOf(message, recipient, home)),
      dirMode: target.dir_mode ?? 0o700,
      fileMode: target.file_mode ?? 0o600,
      body: await message.data(),
    });
    return { kind: 'delivered', reply: reply(200, '', `wrote ${file}`) };
  } catch (error) {
    const text = `KumoMTA internal: failed to write to maildir: ${(error as Error).message}`;
    return { kind: 'transient', reply: reply(400, '', text) };
  }
}

function variablesOf(
  message: Message,
  recipient: EnvelopeAddress,
  { name, parts }: Pick<MessageHome, 'name' | 'parts'>,
): MaildirVariables {
  const { sender, meta } = message;
  return {
    meta,
    queue: name,
    campaign: parts.campaign,
    tenant: parts.tenant,
    domain: parts.domain,
    routing_domain: parts.routingDomain,
    local_part: recipient.localPart,
    domain_part: recipient.domain,
    email: recipient.email,
    sender_local_part: sender.localPart,
    sender_domain_part: sender.domain,
    sender_email: sender.email,
  };
}
