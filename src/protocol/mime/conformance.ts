import { isAscii } from 'node:buffer';
import { hasBareLineEnding, normalizeLineEndings } from '../smtp/index.ts';
import { formatDate } from './date.ts';
import { HeaderLine, type HeaderMap, LONGEST_STRUCTURED, structuredLine, structureOf } from './header-map.ts';
import { clipped, HeaderError } from './headers.ts';
import { parseMime } from './mime-parser.ts';
import { MimeError, type MimePart } from './mime-part.ts';
import { decodeText, hasLongLine } from './transfer-encoding.ts';

/** What a message can do wrong, in the order in which it is told. */
export const CONFORMANCE_LABELS = [
  'MISSING_COLON_VALUE',
  'NON_CANONICAL_LINE_ENDINGS',
  'NAME_ENDS_WITH_SPACE',
  'LINE_TOO_LONG',
  'NEEDS_TRANSFER_ENCODING',
  'MISSING_DATE_HEADER',
  'MISSING_MESSAGE_ID_HEADER',
  'MISSING_MIME_VERSION',
] as const;

export type ConformanceLabel = (typeof CONFORMANCE_LABELS)[number];

const HEADER_LABELS: ReadonlySet<ConformanceLabel> = new Set([
  'MISSING_DATE_HEADER',
  'MISSING_MESSAGE_ID_HEADER',
  'MISSING_MIME_VERSION',
]);

export interface ConformanceFixes {
  /** Milliseconds since the epoch, for the Date header. */
  now: number;
  /** With or without angle brackets. */
  messageId: string;
  /** Charset of 8-bit text that names none; undefined leaves the usual guess (UTF-8, else Windows-1252). */
  charsetOf?: ((text: Buffer) => string | undefined) | undefined;
}

/** What is wrong with the message, in the order of CONFORMANCE_LABELS. Throws MimeError beyond the caps. */
export function conformanceIssues(message: Buffer): ConformanceLabel[] {
  const issues = new Set<ConformanceLabel>();
  if (hasBareLineEnding(message)) issues.add('NON_CANONICAL_LINE_ENDINGS');
  if (hasLongLine(message)) issues.add('LINE_TOO_LONG');
  if (!isAscii(message)) issues.add('NEEDS_TRANSFER_ENCODING');
  const root = parseMime(message);
  eachPart(root, (part) => {
    for (const line of part.headers.lines) {
      if (line.name === '') issues.add('MISSING_COLON_VALUE');
      else if (line.bytes[line.name.length] !== 0x3a) issues.add('NAME_ENDS_WITH_SPACE');
    }
  });
  if (root.headers.first('date') === undefined) issues.add('MISSING_DATE_HEADER');
  if (root.headers.first('message-id') === undefined) issues.add('MISSING_MESSAGE_ID_HEADER');
  if (root.headers.first('mime-version') === undefined) issues.add('MISSING_MIME_VERSION');
  return CONFORMANCE_LABELS.filter((label) => issues.has(label));
}

/**
 * The message without these faults. Missing headers are added and nothing else is touched; for any other fault the
 * parts that have one are written anew. Throws MimeError, or HeaderError, when that cannot be done.
 */
export function fixConformance(
  message: Buffer,
  faults: readonly ConformanceLabel[],
  fixes: ConformanceFixes,
): Buffer {
  const rebuilds = faults.some((label) => !HEADER_LABELS.has(label));
  const root = parseMime(rebuilds ? normalizeLineEndings(message) : message);
  if (rebuilds) rebuild(root, fixes.charsetOf);
  const id = fixes.messageId.replace(/^<|>$/g, '');
  if (faults.includes('MISSING_DATE_HEADER'))
    root.headers.append(HeaderLine.of('Date', formatDate(fixes.now)));
  if (faults.includes('MISSING_MESSAGE_ID_HEADER'))
    root.headers.append(HeaderLine.of('Message-ID', `<${id}>`));
  if (faults.includes('MISSING_MIME_VERSION')) root.headers.append(HeaderLine.of('MIME-Version', '1.0'));
  return root.bytes;
}

/** Messages inside messages are written anew up to this depth. */
const DEEPEST_MESSAGE = 20;

/** Writes anew what is not fit for any relay: 8-bit headers and bodies, long lines, lines that are no header. */
export function rebuild(root: MimePart, charsetOf?: ConformanceFixes['charsetOf'], depth = 0): void {
  eachPart(root, (part) => {
    rebuildHeaders(part.headers);
    part.mendFrame();
    if (part.isMultipart) return;
    const body = part.encodedBody;
    if (isAscii(body) && !hasLongLine(body)) return;
    if (part.contentType.type === 'message/rfc822') rebuildMessage(part, charsetOf, depth);
    else rebuildBody(part, charsetOf);
  });
}

function rebuildBody(part: MimePart, charsetOf: ConformanceFixes['charsetOf']): void {
  const decoded = part.decodedBody;
  const named = part.contentType.parameters.get('charset');
  const guessed = part.isText && named === undefined ? charsetOf?.(decoded) : undefined;
  const text = part.isText ? decodeText(decoded, guessed ?? named ?? '') : undefined;
  part.setBody(text ?? decoded);
}

/** RFC 2046 §5.2.1: a message in a message has no encoding of its own, so its parts are encoded. */
function rebuildMessage(part: MimePart, charsetOf: ConformanceFixes['charsetOf'], depth: number): void {
  if (depth >= DEEPEST_MESSAGE) throw new MimeError(`messages nest deeper than ${DEEPEST_MESSAGE}`);
  const message = parseMime(part.decodedBody);
  rebuild(message, charsetOf, depth + 1);
  part.setEncodedBody(message.bytes);
  part.headers.removeAll('content-transfer-encoding');
}

function rebuildHeaders(headers: HeaderMap): void {
  headers.replace(headers.named().map((line) => (isSound(line) ? line : rebuildLine(line))));
}

function isSound(line: HeaderLine): boolean {
  return line.bytes[line.name.length] === 0x3a && isAscii(line.bytes) && !hasLongLine(line.bytes);
}

function rebuildLine(line: HeaderLine): HeaderLine {
  if (line.bytes.length > LONGEST_STRUCTURED) {
    throw new HeaderError(`${clipped(line.name)}: longer than ${LONGEST_STRUCTURED} bytes`);
  }
  const structure = structureOf(line.name);
  if (structure !== 'unstructured' && structure !== 'authentication_results') {
    try {
      const value = line.read(structure);
      if (structure.startsWith('mailbox') || structure === 'address_list') {
        return structuredLine(line.name, 'address_list', Array.isArray(value) ? value : [value]);
      }
      return structuredLine(line.name, structure, value);
    } catch (error) {
      if (!(error instanceof HeaderError)) throw error;
      // What has no structure is text.
    }
  }
  const value = line.unstructured;
  return HeaderLine.ofText(line.name, typeof value === 'string' ? value : (decodeText(value, '') ?? ''));
}

/** A value for a header of this name, checked: addresses must be addresses. Throws HeaderSyntaxError. */
export function checkedLine(name: string, value: string): HeaderLine {
  const structure = structureOf(name);
  if (structure === 'unstructured' || structure === 'authentication_results') {
    const line = HeaderLine.ofText(name, value);
    if (structure === 'authentication_results') line.read(structure);
    return line;
  }
  const given = HeaderLine.of(name, value.replace(/[\r\n]+[ \t]*/g, ' '));
  return structuredLine(name, structure, given.read(structure));
}

export function eachPart(part: MimePart, visit: (part: MimePart) => void): void {
  visit(part);
  for (const child of part.children) eachPart(child, visit);
}
