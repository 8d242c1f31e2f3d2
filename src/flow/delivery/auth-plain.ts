import type { TlsInfo } from '../../model/index.ts';
import type { Reply } from '../../protocol/smtp/index.ts';
import type { Capabilities } from './capabilities.ts';
import type { SmtpPathOptions } from './path-options.ts';

/** Why AUTH PLAIN must not go over this connection (delivery.md section 12); undefined when it may. */
export function whyNotAuthPlain(
  path: SmtpPathOptions,
  tls: TlsInfo | undefined,
  offered: Capabilities,
): string | undefined {
  if (tls === undefined && !path.allow_smtp_auth_plain_without_tls) {
    return 'the connection is in clear, and allow_smtp_auth_plain_without_tls is not set';
  }
  if (tls !== undefined && tls.verified !== true && !path.allow_smtp_auth_plain_without_valid_certificate) {
    return 'the certificate of the server is not proved, and allow_smtp_auth_plain_without_valid_certificate is not set';
  }
  const mechanisms = offered.get('AUTH')?.toUpperCase().split(/\s+/) ?? [];
  return mechanisms.includes('PLAIN') ? undefined : 'the server does not offer it';
}

/** User and password as AUTH PLAIN writes them. */
export interface PlainCredentials {
  /** Base64. */
  response: string;
  password: string;
}

/** RFC 4616: NUL parts the fields. Throws an Error without the password in it when one has a NUL. */
export function plainCredentials(username: string, password: string): PlainCredentials {
  if (`${username}${password}`.includes('\0')) throw new Error('user and password cannot have a NUL');
  return { response: Buffer.from(`\0${username}\0${password}`).toString('base64'), password };
}

/** The reply without what it may repeat of the credentials: it goes into logs and errors. */
export function withoutCredentials(value: Reply, credentials: PlainCredentials): Reply {
  let { content } = value;
  for (const secret of secretsOf(credentials)) {
    if (secret !== '') content = content.replaceAll(secret, '***');
  }
  return { ...value, content, command: AUTH_SHOWN };
}

/** In every form that they may be repeated in. */
export function secretsOf({ response, password }: PlainCredentials): string[] {
  return [response, password, Buffer.from(password).toString('base64')];
}

/** The command as logs and errors may have it. */
export const AUTH_SHOWN = 'AUTH PLAIN ***\r\n';
