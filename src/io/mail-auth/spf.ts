import type { Clock, Resolver } from '../../model/index.ts';
import type { AuthenticationResult } from '../../protocol/mime/index.ts';
import { boundedLookUps } from './look-ups.ts';

export interface SpfQuestion {
  /** Of the client, without a port. */
  readonly ip: string;
  /** What the client said in EHLO; '' when it is not known. */
  readonly helo: string;
  /** Of MAIL FROM; '' has the name of EHLO checked (RFC 7208 §2.4). */
  readonly sender: string;
}

/** Whether the domain of the sender lets the client send for it (RFC 7208), with the explanation of a fail. */
export async function checkSpf(
  { ip, helo, sender }: SpfQuestion,
  resolver: Resolver,
  clock: Clock,
): Promise<{ result: AuthenticationResult; explanation: string | undefined }> {
  const { spf } = await import('mailauth/lib/spf/index.js');
  const lookUp = boundedLookUps(resolver, clock, { ip, badName: 'EBADNAME' });
  const { status, explanation } = await spf({ sender, ip, helo, strict: true, resolver: lookUp });
  const props = new Map<string, string>();
  if (sender !== '') props.set('smtp.mailfrom', sender);
  if (helo !== '') props.set('smtp.helo', helo);
  // mailauth says first who found it.
  const reason = status.comment?.replace(/^\S+: /, '');
  const result = { method: 'spf', result: status.result, ...(reason !== undefined && { reason }), props };
  return { result, explanation };
}
