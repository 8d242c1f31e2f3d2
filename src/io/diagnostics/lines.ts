import type { Level } from './filter.ts';

/** How a line of the diagnostic log looks (operations.md 1.1). */
export const DIAGNOSTIC_FORMATS = ['pretty', 'full', 'compact', 'json'] as const;
export type DiagnosticFormat = (typeof DIAGNOSTIC_FORMATS)[number];

export interface DiagnosticLine {
  /** Milliseconds since 1970, with fractions. */
  time: number;
  level: Level;
  thread: string;
  target: string;
  text: string;
}

/** Where a password, a key or a token stands, with what is shown in its place. */
const SECRETS: readonly [RegExp, string][] = [
  // RFC 3986 §3.2.1: what stands before the @ of a URL. With bounds, since a line may be long and anything.
  [/(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/?#"']{0,1000}@/gi, '$1***@'],
  [/(\b(?:proxy-)?authorization\b["']?\s*[:=]\s*["']?)(?:(?:basic|bearer|digest)\s+)?[^\s"',;]+/gi, '$1***'],
  [/(\bAUTH\s+(?:PLAIN|LOGIN|XOAUTH2|CRAM-MD5)\s+)[A-Za-z0-9+/=]+/gi, '$1***'],
  [/-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]*?(?:-----END \1-----|$)/g, '-----BEGIN $1----- ***'],
  [
    /((?:password|passwd|secret|token|api[_-]?key|key_data)["']?\s*[:=]\s*)(["'])(?:\\.|(?!\2).)*\2/gi,
    '$1$2***$2',
  ],
  [/((?:password|passwd|secret|token|api[_-]?key)=)[^\s"'&;,)]+/gi, '$1***'],
];

/** The text without what only its owner should know: passwords in URLs, credentials of AUTH, private keys. */
export function redacted(text: string): string {
  return SECRETS.reduce((shown, [secret, shownAs]) => shown.replace(secret, shownAs), text);
}

/** Characters that move the cursor of a terminal, or end a line that somebody else's text is in. */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/g;

/** One entry: the further lines of it are set in, so that nobody's text can pass for an entry of its own. */
const escaped = (text: string): string =>
  text.replace(CONTROLS, (found) => `\\u{${found.charCodeAt(0).toString(16)}}`).replaceAll('\n', '\n    ');

/** The line, or with `pretty` the lines, with a newline at the end. */
export function formatDiagnostic(line: DiagnosticLine, format: DiagnosticFormat): string {
  const { level, thread, target } = line;
  const text = redacted(line.text);
  const time = timestamp(line.time);
  const name = level.toUpperCase();
  switch (format) {
    case 'json':
      return `${JSON.stringify({
        timestamp: time,
        level: name,
        fields: { message: text },
        target,
        threadName: thread,
      })}\n`;
    case 'pretty':
      return `  ${time} ${name.padStart(5)} ${target}: ${escaped(text)}\n    on ${thread}\n\n`;
    case 'compact':
      return `${time} ${name.padStart(5)} ${thread} ${escaped(text)} (${target})\n`;
    case 'full':
      return `${time} ${name.padStart(5)} ${thread} ${target}: ${escaped(text)}\n`;
  }
}

/** RFC 3339 in UTC with microseconds. */
function timestamp(time: number): string {
  const micros = Math.floor((time % 1) * 1000);
  return `${new Date(time).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}

/** Name of the file that has the lines of that hour: `log.2026-11-21-20`. */
export function hourlyName(time: number): string {
  return `log.${new Date(time).toISOString().slice(0, 13).replace('T', '-')}`;
}
