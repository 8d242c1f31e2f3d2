import type { JsonObject } from './json.ts';

/** Pieces of at most 75 columns. */
const PIECES = /.{1,75}/g;

/**
 * The supplemental trace header (policy-api.md 2.1): base64 of a JSON object with the recipient and the chosen
 * metadata, folded; a report that quotes it can be tied to the message. With its CRLF.
 */
export function supplementalHeader(
  name: string,
  recipients: readonly string[],
  meta: JsonObject,
  includeMeta: readonly string[],
): string {
  const content: JsonObject = {
    '_@_': '\\_/',
    recipient: recipients.length === 1 ? recipients[0]! : [...recipients],
  };
  for (const key of includeMeta) if (meta[key] != null) content[key] = meta[key]!;
  const encoded = Buffer.from(JSON.stringify(content)).toString('base64');
  const lines = encoded.match(PIECES) ?? [];
  return `${name}: ${lines.join('\r\n\t')}\r\n`;
}
