import { isAscii, isUtf8 } from 'node:buffer';
import { normalizeLineEndings } from '../smtp/index.ts';
import { HeaderLine, type HeaderMap, structuredLine } from './header-map.ts';
import { HeaderError } from './headers.ts';
import type { MimeParameters } from './mime-parameters.ts';
import {
  decodeText,
  decodeTransfer,
  encodeBase64,
  encodeText,
  hasLongLine,
  type TransferEncoding,
} from './transfer-encoding.ts';

/** A message that is not built as MIME can be built here: too deep, too many parts, or broken. */
export class MimeError extends Error {}

/** Caps on what is looked at; a message beyond them is refused with a MimeError, never worked on in part. */
export const MIME_LIMITS = {
  /** Multiparts inside each other. */
  depth: 100,
  parts: 1000,
  /** Lines that begin and are as long as a delimiter, and are none. */
  nearMisses: 100_000,
  /** Bytes that bodies may decode to. */
  decoded: 256 * 1024 * 1024,
} as const;

const EMPTY = Buffer.alloc(0);
const CRLF = Buffer.from('\r\n');

/** The bytes between the parts of a multipart, so that it can be written as it came. */
interface Frame {
  boundary: string;
  /** Before each child: its delimiter line with the line end before it; the first holds the preamble too. */
  openings: Buffer[];
  /** The last delimiter and the epilogue. */
  closing: Buffer;
}

export interface ContentType {
  /** In lower case, such as `text/plain`. */
  type: string;
  parameters: Map<string, string>;
}

/**
 * A part of a MIME message, which may hold others. It is made of slices of the message: headers, the blank line,
 * and a body or the children with the bytes between them. What nobody edits is written back byte for byte.
 */
export class MimePart {
  readonly headers: HeaderMap;
  parent: MimePart | undefined;
  #separator: Buffer;
  #body: Buffer;
  #children: MimePart[] = [];
  #frame: Frame | undefined;

  constructor(headers: HeaderMap, separator: Buffer = CRLF, body: Buffer = EMPTY) {
    this.headers = headers;
    this.#separator = separator;
    this.#body = body;
  }

  /** Makes it a multipart; the parser and the builder know the bytes. */
  divide(frame: Frame, children: MimePart[]): void {
    this.#frame = frame;
    this.#children = children;
    this.#body = EMPTY;
    for (const child of children) child.parent = this;
  }

  get children(): readonly MimePart[] {
    return this.#children;
  }

  get root(): MimePart {
    let part: MimePart = this;
    while (part.parent !== undefined) part = part.parent;
    return part;
  }

  /** Its place in the tree: '' for the root, `1.0` for the first child of the second child. */
  get id(): string {
    const places: number[] = [];
    for (let part: MimePart = this; part.parent !== undefined; part = part.parent) {
      places.unshift(part.parent.#children.indexOf(part));
    }
    return places.join('.');
  }

  /** RFC 2045 §5.2: text/plain when nothing valid is said; message/rfc822 in a digest is not looked for. */
  get contentType(): ContentType {
    const line = this.headers.first('content-type');
    const given = line === undefined ? undefined : lenient(() => line.mimeParameters);
    if (given === undefined || !/^[^/\s]+\/[^/\s]+$/.test(given.value)) {
      return { type: 'text/plain', parameters: new Map() };
    }
    return { type: given.value.toLowerCase(), parameters: given.parameters };
  }

  get disposition(): MimeParameters | undefined {
    const line = this.headers.first('content-disposition');
    return line === undefined ? undefined : lenient(() => line.mimeParameters);
  }

  get isMultipart(): boolean {
    return this.#frame !== undefined;
  }

  get isText(): boolean {
    return this.contentType.type.startsWith('text/');
  }

  /** The body as it stands, encoded. */
  get encodedBody(): Buffer {
    return this.#frame === undefined ? this.#body : Buffer.concat(this.#pieces(false));
  }

  /** The body with its transfer encoding undone. Throws MimeError for an unknown encoding. */
  get decodedBody(): Buffer {
    const body = this.encodedBody;
    if (this.#frame !== undefined) return body;
    if (body.length > MIME_LIMITS.decoded) throw new MimeError(`a body of ${body.length} bytes is too large`);
    const line = this.headers.first('content-transfer-encoding');
    const encoding = line === undefined ? '' : (lenient(() => line.mimeParameters.value) ?? '');
    const decoded = decodeTransfer(body, encoding);
    if (decoded === undefined) throw new MimeError(`unknown Content-Transfer-Encoding ${encoding}`);
    return decoded;
  }

  /** The decoded body: text for text types in a known charset, else bytes. */
  get body(): string | Buffer {
    const decoded = this.decodedBody;
    if (!this.isText) return decoded;
    return decodeText(decoded, this.contentType.parameters.get('charset') ?? '') ?? decoded;
  }

  /** Replaces the body by bytes that are encoded already. */
  setEncodedBody(body: Buffer): void {
    this.#body = body;
  }

  /** Replaces the body; headers change only where they must. Without `type` the type stays. */
  setBody(content: string | Buffer, type?: string): void {
    const text = typeof content === 'string' ? Buffer.from(content) : content;
    // ASCII text needs no Content-Type (RFC 2045 §5.2).
    const isBare = this.headers.first('content-type') === undefined && !isAscii(text);
    const given = type ?? (isBare ? defaultType(text) : undefined);
    const isText = (given ?? this.contentType.type).toLowerCase().startsWith('text/') && isUtf8(text);
    if (given !== undefined) this.#setType(given, isText);
    else if (isText) this.#ensureUtf8(text);
    const { encoding, bytes } = isText
      ? // RFC 2046 §4.1.1: line ends of text are CRLF.
        encodeText(normalizeLineEndings(text))
      : { encoding: 'base64' as TransferEncoding, bytes: encodeBase64(text) };
    this.#frame = undefined;
    this.#children = [];
    this.#body = bytes;
    if (this.#separator.length === 0) this.#separator = CRLF;
    this.#setEncoding(encoding);
  }

  #setType(type: string, isText: boolean): void {
    const parameters = new Map<string, string>();
    const value = type.split(';')[0]!.trim();
    if (!/^[^/\s;"]+\/[^/\s;"]+$/.test(value)) throw new MimeError(`'${type}' is no content type`);
    if (isText) parameters.set('charset', 'utf-8');
    this.headers.set(structuredLine('Content-Type', 'mime_params', { value, parameters }));
  }

  /** A charset other than the one we write in is corrected. */
  #ensureUtf8(text: Buffer): void {
    const line = this.headers.first('content-type');
    const { type, parameters } = this.contentType;
    const charset = parameters.get('charset')?.toLowerCase();
    if (line === undefined || charset === 'utf-8') return;
    if (isAscii(text) && (charset === undefined || charset === 'us-ascii')) return;
    parameters.set('charset', 'utf-8');
    this.headers.set(structuredLine(line.name, 'mime_params', { value: type, parameters }));
  }

  #setEncoding(encoding: TransferEncoding): void {
    const line = this.headers.first('content-transfer-encoding');
    const before = line === undefined ? '' : (lenient(() => line.mimeParameters.value) ?? '').toLowerCase();
    if (before === encoding) return;
    if (encoding === '7bit') this.headers.removeAll('content-transfer-encoding');
    else this.headers.set(HeaderLine.of('Content-Transfer-Encoding', encoding));
  }

  /** Puts a part behind the others of a multipart. Throws MimeError when this is none. */
  append(child: MimePart): void {
    const frame = this.#frame;
    if (frame === undefined) throw new MimeError('only a multipart takes further parts');
    if (this.#children.length >= MIME_LIMITS.parts) throw new MimeError('too many parts');
    if (this.#depth + child.height > MIME_LIMITS.depth) {
      throw new MimeError(`parts nest deeper than ${MIME_LIMITS.depth}`);
    }
    const isFirst = this.#children.length === 0;
    frame.openings.push(Buffer.from(`${isFirst ? '' : '\r\n'}--${frame.boundary}\r\n`));
    // Nobody shows what stands in a multipart without parts; a multipart that was cut off gets its end.
    if (isFirst || frame.closing.length === 0) frame.closing = Buffer.from(`\r\n--${frame.boundary}--\r\n`);
    if (this.#separator.length === 0) this.#separator = CRLF;
    this.#children.push(child);
    child.parent = this;
  }

  /**
   * Makes what stands between the parts fit for 7-bit relays: preamble and epilogue, which nobody shows, go where
   * they are not, and so does a boundary.
   */
  mendFrame(): void {
    const frame = this.#frame;
    if (frame === undefined) return;
    const isSound = (bytes: Buffer) => isAscii(bytes) && !hasLongLine(bytes);
    if (isSound(frame.closing) && frame.openings.every(isSound)) return;
    if (!/^[ -~]*$/.test(frame.boundary)) {
      frame.boundary = `mended-${Buffer.from(frame.boundary).toString('hex').slice(0, 60)}`;
      const { type, parameters } = this.contentType;
      parameters.set('boundary', frame.boundary);
      this.headers.set(structuredLine('Content-Type', 'mime_params', { value: type, parameters }));
    }
    const delimiter = `--${frame.boundary}`;
    frame.openings = this.#children.map((_, at) => Buffer.from(`${at === 0 ? '' : '\r\n'}${delimiter}\r\n`));
    frame.closing = Buffer.from(`${this.#children.length === 0 ? '' : '\r\n'}${delimiter}--\r\n`);
    if (this.#separator.length === 0) this.#separator = CRLF;
  }

  get #depth(): number {
    let depth = 1;
    for (let part = this.parent; part !== undefined; part = part.parent) depth += 1;
    return depth;
  }

  /** Levels from here down: 1 for a part without children. */
  get height(): number {
    return 1 + this.#children.reduce((height, child) => Math.max(height, child.height), 0);
  }

  /** The part as it stands in a message. */
  get bytes(): Buffer {
    return Buffer.concat(this.#pieces(true));
  }

  /** All slices in order. Depth is capped by the parser, so that recursion is safe. */
  #pieces(withHeaders: boolean): Buffer[] {
    const pieces: Buffer[] = [];
    this.#collect(pieces, withHeaders);
    return pieces;
  }

  #collect(pieces: Buffer[], withHeaders: boolean): void {
    if (withHeaders) {
      for (const line of this.headers.lines) pieces.push(line.bytes);
      pieces.push(this.#separator);
    }
    if (this.#frame === undefined) {
      pieces.push(this.#body);
      return;
    }
    for (let at = 0; at < this.#children.length; at++) {
      pieces.push(this.#frame.openings[at]!);
      this.#children[at]!.#collect(pieces, true);
    }
    pieces.push(this.#frame.closing);
  }

  /** A tree of its own; the slices are shared, since nobody writes into them. */
  copy(): MimePart {
    const copy = new MimePart(this.headers.copy(), this.#separator, this.#body);
    if (this.#frame !== undefined) {
      const frame = { ...this.#frame, openings: [...this.#frame.openings] };
      copy.divide(
        frame,
        this.#children.map((child) => child.copy()),
      );
    }
    return copy;
  }
}

function defaultType(body: Buffer): string {
  return isUtf8(body) ? 'text/plain' : 'application/octet-stream';
}

function lenient<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof HeaderError) return undefined;
    throw error;
  }
}
