import { HeaderLine, HeaderMap, structuredLine } from './header-map.ts';
import { MimeError, MimePart } from './mime-part.ts';

export interface AttachmentOptions {
  file_name?: string | undefined;
  /** Default false. */
  inline?: boolean | undefined;
  content_id?: string | undefined;
}

/** A part of a text type in UTF-8. */
export function newText(type: string, text: string | Buffer): MimePart {
  const part = new MimePart(new HeaderMap());
  part.setBody(text, type);
  return part;
}

/** A part of any type in base64, with the headers of an attachment where options are given. */
export function newBinary(type: string, content: Buffer, options?: AttachmentOptions): MimePart {
  const part = newText(type, content);
  // Text types are attachments here too; what was encoded stays so.
  if (options !== undefined) addAttachmentHeaders(part, options);
  return part;
}

function addAttachmentHeaders(part: MimePart, options: AttachmentOptions): void {
  const parameters = new Map<string, string>();
  if (options.file_name !== undefined) {
    parameters.set('filename', options.file_name);
    const { type, parameters: typeParameters } = part.contentType;
    typeParameters.set('name', options.file_name);
    part.headers.set(
      structuredLine('Content-Type', 'mime_params', { value: type, parameters: typeParameters }),
    );
  }
  const value = options.inline === true ? 'inline' : 'attachment';
  part.headers.append(structuredLine('Content-Disposition', 'mime_params', { value, parameters }));
  if (options.content_id !== undefined) {
    if (/[\s<>]/.test(options.content_id)) throw new MimeError(`'${options.content_id}' is no content id`);
    part.headers.append(HeaderLine.of('Content-ID', `<${options.content_id}>`));
  }
}

const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;

/** A multipart of copies of the parts. Throws MimeError for a type that is no multipart or a boundary that cannot be. */
export function newMultipart(type: string, parts: readonly MimePart[], boundary: string): MimePart {
  if (!/^multipart\/[^/\s;"]+$/i.test(type)) throw new MimeError(`'${type}' is no multipart type`);
  // RFC 2046 §5.1.1
  if (!BOUNDARY.test(boundary)) throw new MimeError(`'${boundary}' cannot be a boundary`);
  const value = { value: type, parameters: new Map([['boundary', boundary]]) };
  const headers = new HeaderMap([structuredLine('Content-Type', 'mime_params', value)]);
  const multipart = new MimePart(headers);
  multipart.divide({ boundary, openings: [], closing: Buffer.alloc(0) }, []);
  for (const part of parts) multipart.append(part.copy());
  return multipart;
}

/** Builds the usual message: text, HTML and AMP as alternatives, attachments after them. */
export class MimeBuilder {
  readonly #newBoundary: () => string;
  #texts: MimePart[] = [];
  #inline: MimePart[] = [];
  #attached: MimePart[] = [];
  #stable = false;
  #isBuilt = false;

  /** `newBoundary` gives a boundary that is in no other message. */
  constructor(newBoundary: () => string) {
    this.#newBoundary = newBoundary;
  }

  /** `rank` puts the alternatives in order: readers take the last that they know (RFC 2046 §5.1.4). */
  setText(type: 'text/plain' | 'text/x-amp-html' | 'text/html', text: string): void {
    this.#texts = this.#texts.filter((part) => part.contentType.type !== type);
    this.#texts.push(newText(type, text));
    const order = ['text/plain', 'text/x-amp-html', 'text/html'];
    this.#texts.sort((a, b) => order.indexOf(a.contentType.type) - order.indexOf(b.contentType.type));
  }

  attach(part: MimePart): void {
    const isInline = part.disposition?.value.toLowerCase() === 'inline';
    (isInline ? this.#inline : this.#attached).push(part.copy());
  }

  /** The same input gives the same bytes: boundaries are counted instead of chosen by chance. */
  setStable(stable: boolean): void {
    this.#stable = stable;
  }

  /** The message so far, without address headers. Throws MimeError at the second call. */
  build(): MimePart {
    if (this.#isBuilt) throw new MimeError('build was called already');
    this.#isBuilt = true;
    let count = 0;
    const boundary = () => (this.#stable ? `stable-boundary-${count++}` : this.#newBoundary());
    let part = this.#texts[0] ?? (this.#attached.length === 1 ? undefined : newText('text/plain', ''));
    if (this.#texts.length > 1) part = newMultipart('multipart/alternative', this.#texts, boundary());
    if (this.#inline.length > 0) {
      part = newMultipart(
        'multipart/related',
        [...(part === undefined ? [] : [part]), ...this.#inline],
        boundary(),
      );
    }
    if (this.#attached.length > 0) {
      part = newMultipart(
        'multipart/mixed',
        [...(part === undefined ? [] : [part]), ...this.#attached],
        boundary(),
      );
    }
    part!.headers.prepend(HeaderLine.of('MIME-Version', '1.0'));
    return part!;
  }
}
