import type { Reply } from '../../protocol/smtp/index.ts';

/** What a server offered in its reply to EHLO (RFC 5321 §4.1.1.1): upper-case keyword to its parameters. */
export type Capabilities = ReadonlyMap<string, string>;

/** After HELO a server offers nothing. */
export const noCapabilities: Capabilities = new Map();

/** The first line greets; each further one is a keyword and, after a blank (or `=`, as old servers wrote), its parameters. */
export function parseCapabilities(reply: Reply): Capabilities {
  const capabilities = new Map<string, string>();
  for (const line of reply.content.split('\n').slice(1)) {
    const match = /^([A-Za-z0-9-]+)(?:[ =]+(.*))?$/.exec(line.trimEnd());
    if (match !== null) capabilities.set(match[1]!.toUpperCase(), match[2] ?? '');
  }
  return capabilities;
}
