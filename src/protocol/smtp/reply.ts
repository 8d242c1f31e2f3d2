/** RFC 3463 status, such as 5.7.1. */
export interface EnhancedCode {
  class: number;
  subject: number;
  detail: number;
}

/**
 * One SMTP reply, from a peer or made here. `content` is the text without codes, its lines joined by `\n`.
 * `command` is the line that provoked it, with its CRLF, or null.
 */
export interface Reply {
  code: number;
  enhanced: EnhancedCode | null;
  content: string;
  command: string | null;
}

/** Builds a reply of our own. `enhanced` is written as in RFC 3463 (`'5.7.1'`), '' for none. */
export function reply(code: number, enhanced: string, content: string, command: string | null = null): Reply {
  return { code, enhanced: enhanced === '' ? null : parseEnhancedCode(enhanced), content, command };
}

const ENHANCED = /^([245])\.(\d{1,3})\.(\d{1,3})$/;

/** Parses `5.7.1`; null when the text is no enhanced status code (RFC 3463 §2). */
export function parseEnhancedCode(text: string): EnhancedCode | null {
  const match = ENHANCED.exec(text);
  if (match === null) return null;
  return { class: Number(match[1]), subject: Number(match[2]), detail: Number(match[3]) };
}

export function formatEnhancedCode(code: EnhancedCode): string {
  return `${code.class}.${code.subject}.${code.detail}`;
}

/** The one-line form that policy events and classifiers see: `550 5.1.1 no such user`. */
export function formatReplyLine(value: Reply): string {
  const status = value.enhanced === null ? '' : `${formatEnhancedCode(value.enhanced)} `;
  return `${value.code} ${status}${value.content.replace(/\r?\n/g, ' ')}`.trimEnd();
}

/** A reply whose text, from policy, may have an enhanced code and several lines. */
export function replyFromText(code: number, text: string): Reply {
  const lines = text.split(/\r\n|\r|\n/);
  const first = lines[0]!;
  const space = first.indexOf(' ');
  const enhanced = parseEnhancedCode(space < 0 ? first : first.slice(0, space));
  if (enhanced === null) return { code, enhanced, content: lines.join('\n'), command: null };
  const prefix = `${formatEnhancedCode(enhanced)} `;
  const content = lines.map((line) => (`${line} `.startsWith(prefix) ? line.slice(prefix.length) : line));
  return { code, enhanced, content: content.join('\n'), command: null };
}
