import type { MaybePromise, Outcome } from '../../model/index.ts';
import { formatReplyLine, type Reply, reply } from '../../protocol/smtp/index.ts';
import { type Candidate, describeCandidate } from './candidate.ts';
import type { ConnectionFailure } from './connection.ts';

/** smtp_client_rewrite_delivery_status as the client sees it: another code for this reply, or nothing. */
export type RewriteStatus = (line: string) => MaybePromise<number | undefined>;

/** What a reply means for a recipient (delivery.md 9). 503 is about the order of commands, not about the mail. */
export function outcomeOf(value: Reply): Outcome {
  if (value.code >= 200 && value.code < 300) return { kind: 'delivered', reply: value };
  if ((value.code >= 300 && value.code < 500) || value.code === 503)
    return { kind: 'transient', reply: value };
  return { kind: 'permanent', reply: value };
}

/** What a refused RCPT means; see `isTooMany`. */
export function rcptOutcomeOf(value: Reply): Outcome {
  return isTooMany(value) === 'no' ? outcomeOf(value) : { kind: 'transient', reply: value };
}

/**
 * Whether a reply to RCPT is about the number of recipients (RFC 5321 §4.5.3.1.10) and so never final: `yes` when
 * its enhanced code is 4.5.3, `maybe` for a bare 452 or 552.
 */
export function isTooMany(value: Reply): 'yes' | 'maybe' | 'no' {
  const { code, enhanced } = value;
  if (enhanced !== null) {
    return enhanced.class === 4 && enhanced.subject === 5 && enhanced.detail === 3 ? 'yes' : 'no';
  }
  return code === 452 || code === 552 ? 'maybe' : 'no';
}

/** The reply that stands for a connection that failed under a message (delivery.md 9). */
export function failureReply(failure: ConnectionFailure, candidate: Candidate): Reply {
  if (failure.kind === 'timeout') {
    const to = describeCandidate(candidate);
    return reply(421, '4.4.2', `KumoMTA internal: failed to send message to ${to}: ${failure.text}`);
  }
  return reply(400, '', `KumoMTA internal: failed to send message: ${failure.text}`);
}

/** The reply as policy wants it seen. Only what a peer said other than 250 is shown to policy. */
export function rewritten(value: Reply, rewrite: RewriteStatus | undefined): MaybePromise<Reply> {
  if (rewrite === undefined || value.code === 250) return value;
  const line = formatReplyLine({ ...value, content: value.content.replaceAll('\n', '\\r\\n') });
  const code = rewrite(line);
  return code instanceof Promise ? code.then((settled) => withCode(value, settled)) : withCode(value, code);
}

function withCode(value: Reply, code: number | undefined): Reply {
  if (code === undefined || code === value.code) return value;
  const note = `(kumomta: status was rewritten from ${value.code} -> ${code})`;
  return { ...value, code, content: value.content === '' ? note : `${value.content} ${note}` };
}
