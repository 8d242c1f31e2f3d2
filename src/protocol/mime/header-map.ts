import { isUtf8 } from 'node:buffer';
import {
  type Address,
  formatAddressList,
  type Mailbox,
  parseAddressList,
  parseMailbox,
  parseMailboxList,
} from './address-list.ts';
import { type AuthenticationResults, parseAuthenticationResults } from './authentication-results.ts';
import { foldStructured } from './fold.ts';
import { HeaderSyntaxError } from './header-tokens.ts';
import {
  clipped,
  formatHeader,
  HeaderError,
  type HeaderField,
  headersOf,
  headerValue,
  unfold,
} from './headers.ts';
import { formatMessageIds, parseMessageId, parseMessageIdList } from './message-ids.ts';
import { formatMimeParameters, type MimeParameters, parseMimeParameters } from './mime-parameters.ts';
import { decodeText } from './transfer-encoding.ts';

/** More headers than this in one block are refused. */
export const MOST_HEADERS = 10_000;

/** Bytes of a header that is read as addresses, parameters and the like; about 20,000 addresses. */
export const LONGEST_STRUCTURED = 1024 * 1024;

/** What a header of that name holds. */
export type HeaderStructure =
  | 'address_list'
  | 'mailbox_list'
  | 'mailbox'
  | 'message_id'
  | 'message_id_list'
  | 'mime_params'
  | 'authentication_results'
  | 'unstructured';

const STRUCTURES: ReadonlyMap<string, HeaderStructure> = new Map([
  ...['to', 'cc', 'bcc', 'reply-to', 'resent-to', 'resent-cc', 'resent-bcc'].map(
    (name) => [name, 'address_list'] as const,
  ),
  ...['from', 'resent-from'].map((name) => [name, 'mailbox_list'] as const),
  ...['sender', 'resent-sender'].map((name) => [name, 'mailbox'] as const),
  ...['message-id', 'content-id'].map((name) => [name, 'message_id'] as const),
  ['references', 'message_id_list'] as const,
  ...['content-type', 'content-disposition', 'content-transfer-encoding'].map(
    (name) => [name, 'mime_params'] as const,
  ),
  ['authentication-results', 'authentication_results'] as const,
]);

export function structureOf(name: string): HeaderStructure {
  return STRUCTURES.get(name.toLowerCase()) ?? 'unstructured';
}

/** One header as its bytes; what they mean is worked out when it is asked for. */
export class HeaderLine {
  /** '' for lines that are no header, which are kept where they stand. */
  readonly name: string;
  /** With the line end of the last line. */
  readonly bytes: Buffer;
  readonly #valueStart: number;
  /** Asked for several times in the life of a part. */
  #mimeParameters: MimeParameters | undefined;

  constructor(name: string, bytes: Buffer, valueStart: number) {
    this.name = name;
    this.bytes = bytes;
    this.#valueStart = valueStart;
  }

  /** The header that stands in a message at these offsets. */
  static at(message: Buffer, { name, start, valueStart, end }: HeaderField): HeaderLine {
    return new HeaderLine(name, message.subarray(start, end), valueStart - start);
  }

  /** A header of this name with a value that is folded and encoded already. Throws HeaderError. */
  static of(name: string, value: string): HeaderLine {
    const line = formatHeader(name, value);
    return new HeaderLine(name, Buffer.from(line), name.length + 1);
  }

  /** A header of this name with text that is folded and encoded as RFC 2047 has it. Throws HeaderError. */
  static ofText(name: string, text: string): HeaderLine {
    return new HeaderLine(name, Buffer.from(formatHeader(name, text, true)), name.length + 1);
  }

  /** The value with its folds, without the white space around it. */
  get rawValue(): string | Buffer {
    return textOrBytes(trim(this.bytes.subarray(this.#valueStart)));
  }

  /** Unfolded, encoded words decoded. */
  get unstructured(): string | Buffer {
    return headerValue(this.bytes, {
      name: this.name,
      start: 0,
      valueStart: this.#valueStart,
      end: this.bytes.length,
    });
  }

  /** Unfolded, not decoded: what the structured parsers read. */
  get text(): string {
    return decodeText(unfold(this.bytes.subarray(this.#valueStart)), '') ?? '';
  }

  get addressList(): Address[] {
    return this.#parse(parseAddressList);
  }

  get mailboxList(): Mailbox[] {
    return this.#parse(parseMailboxList);
  }

  get mailbox(): Mailbox {
    return this.#parse(parseMailbox);
  }

  get messageId(): string {
    return this.#parse(parseMessageId);
  }

  get messageIdList(): string[] {
    return this.#parse(parseMessageIdList);
  }

  /** A copy that is the caller's. */
  get mimeParameters(): MimeParameters {
    this.#mimeParameters ??= this.#parse(parseMimeParameters);
    const { value, parameters } = this.#mimeParameters;
    return { value, parameters: new Map(parameters) };
  }

  get authenticationResults(): AuthenticationResults {
    return this.#parse(parseAuthenticationResults);
  }

  /** By the structure that headers of this name have. Throws HeaderSyntaxError. */
  get value(): unknown {
    return this.read(structureOf(this.name));
  }

  read(structure: HeaderStructure): unknown {
    switch (structure) {
      case 'address_list':
        return this.addressList;
      case 'mailbox_list':
        return this.mailboxList;
      case 'mailbox':
        return this.mailbox;
      case 'message_id':
        return this.messageId;
      case 'message_id_list':
        return this.messageIdList;
      case 'mime_params':
        return this.mimeParameters;
      case 'authentication_results':
        return this.authenticationResults;
      default:
        return this.unstructured;
    }
  }

  #parse<T>(parse: (text: string) => T): T {
    try {
      if (this.bytes.length > LONGEST_STRUCTURED) {
        throw new HeaderSyntaxError(`longer than ${LONGEST_STRUCTURED} bytes`);
      }
      return parse(this.text);
    } catch (error) {
      if (error instanceof HeaderError) error.message = `${clipped(this.name)}: ${error.message}`;
      throw error;
    }
  }
}

function trim(bytes: Buffer): Buffer {
  let start = 0;
  let end = bytes.length;
  const isBlank = (at: number) =>
    bytes[at] === 0x20 || bytes[at] === 0x09 || bytes[at] === 0x0d || bytes[at] === 0x0a;
  while (start < end && isBlank(start)) start += 1;
  while (end > start && isBlank(end - 1)) end -= 1;
  return bytes.subarray(start, end);
}

function textOrBytes(bytes: Buffer): string | Buffer {
  return isUtf8(bytes) ? bytes.toString() : bytes;
}

/** The headers of a part, in order; what is not edited keeps every byte. */
export class HeaderMap {
  #lines: HeaderLine[];

  constructor(lines: HeaderLine[] = []) {
    this.#lines = lines;
  }

  /** Of a header block without the blank line. Throws HeaderError when there are more than MOST_HEADERS. */
  static parse(block: Buffer): HeaderMap {
    const lines: HeaderLine[] = [];
    let end = 0;
    const keepJunk = (start: number) => {
      if (start > end) lines.push(new HeaderLine('', block.subarray(end, start), 0));
    };
    for (const field of headersOf(block, undefined, MOST_HEADERS)) {
      keepJunk(field.start);
      lines.push(HeaderLine.at(block, field));
      end = field.end;
    }
    keepJunk(block.length);
    return new HeaderMap(lines);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#lines.map((line) => line.bytes));
  }

  /** All lines, those that are no header too. */
  get lines(): readonly HeaderLine[] {
    return this.#lines;
  }

  /** The headers, or those of the name in any case. */
  named(name?: string): HeaderLine[] {
    if (name === undefined) return this.#lines.filter((line) => line.name !== '');
    const wanted = name.toLowerCase();
    return this.#lines.filter((line) => line.name.toLowerCase() === wanted);
  }

  first(name: string): HeaderLine | undefined {
    const wanted = name.toLowerCase();
    return this.#lines.find(
      (line) => line.name.length === wanted.length && line.name.toLowerCase() === wanted,
    );
  }

  prepend(line: HeaderLine): void {
    this.#lines.unshift(line);
  }

  append(line: HeaderLine): void {
    const last = this.#lines.at(-1);
    // The last line of a message without body may have no end.
    if (last !== undefined && last.bytes.at(-1) !== 0x0a) {
      const start = last.bytes.indexOf(0x3a) + 1;
      const ended = Buffer.concat([last.bytes, Buffer.from('\r\n')]);
      this.#lines[this.#lines.length - 1] = new HeaderLine(last.name, ended, start);
    }
    this.#lines.push(line);
  }

  removeAll(name: string): void {
    const wanted = name.toLowerCase();
    this.#lines = this.#lines.filter((line) => line.name.toLowerCase() !== wanted);
  }

  /** Puts the line in the place of the first of its name and removes the others; at the end when there is none. */
  set(line: HeaderLine): void {
    const wanted = line.name.toLowerCase();
    const at = this.#lines.findIndex(({ name }) => name.toLowerCase() === wanted);
    if (at < 0) {
      this.append(line);
      return;
    }
    this.#lines[at] = line;
    this.#lines = this.#lines.filter((other, place) => place <= at || other.name.toLowerCase() !== wanted);
  }

  /** Replaces all lines. */
  replace(lines: HeaderLine[]): void {
    this.#lines = lines;
  }

  copy(): HeaderMap {
    return new HeaderMap([...this.#lines]);
  }
}

/** A header line of a structured value, folded. Throws HeaderError. */
export function structuredLine(name: string, structure: HeaderStructure, value: unknown): HeaderLine {
  return HeaderLine.of(name, foldStructured(formatStructured(structure, value), name.length + 2));
}

function formatStructured(structure: HeaderStructure, value: unknown): string {
  switch (structure) {
    case 'address_list':
    case 'mailbox_list':
      return formatAddressList(value as Address[]);
    case 'mailbox':
      return formatAddressList([value as Mailbox]);
    case 'message_id':
      return formatMessageIds([value as string]);
    case 'message_id_list':
      return formatMessageIds(value as string[]);
    case 'mime_params':
      return formatMimeParameters(value as MimeParameters);
    default:
      throw new HeaderError(`a header of structure ${structure} is set as text`);
  }
}
