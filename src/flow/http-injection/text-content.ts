import type { JsonObject } from '../../model/index.ts';
import { type FieldTemplate, fieldTemplate, type TemplateDialect } from '../../model/texts/index.ts';
import { endOfHeaders, HeaderLine, parseMime, rebuild } from '../../protocol/mime/index.ts';
import { normalizeLineEndings } from '../../protocol/smtp/index.ts';
import type { Content } from './content.ts';
import { orUnfit } from './refusal.ts';
import { hasLineBreak, onOneLine } from './variables.ts';

const CRLF = Buffer.from('\r\n');

/** A whole message as one template (operations.md 4.2). */
export class TextContent implements Content {
  readonly #template: FieldTemplate;
  readonly #fixed: Buffer | undefined;

  /** Throws InjectionRefused (422). */
  constructor(source: string, dialect: TemplateDialect) {
    const field = { name: 'content', source, dialect, escaping: 'none' } as const;
    this.#template = orUnfit("failed parsing field 'content' as template: ", () => fieldTemplate(field));
    const { fixed } = this.#template;
    if (fixed !== undefined) this.#fixed = orUnfit('content: ', () => finished(fixed));
  }

  build(values: () => JsonObject, _to: () => string, now: number): Buffer {
    if (this.#fixed !== undefined) return this.#fixed;
    const given = values();
    const text = this.#template.render(given, now);
    if (hasLineBreak(given)) this.#checkHeaders(text, given, now);
    return finished(text);
  }

  /**
   * A line break in a value may not begin a header, nor end them all: with spaces instead the headers must be the same.
   */
  #checkHeaders(text: string, values: JsonObject, now: number): void {
    const flat = this.#template.render(onOneLine(values) as JsonObject, now);
    if (headersIn(text) === headersIn(flat)) return;
    throw new Error('a substitution with a line break stands among the headers of content');
  }
}

function headersIn(text: string): string {
  const bytes = Buffer.from(text);
  const end = endOfHeaders(bytes);
  return end < 0 ? text : bytes.toString('utf8', 0, end);
}

/** The message as it is sent: CRLF at every line end, encoded for any relay, a MIME version. */
function finished(text: string): Buffer {
  const message = parseMime(normalizeLineEndings(Buffer.from(text)));
  const { headers } = message;
  if (headers.named().length === 0 && headers.lines.length > 0) {
    throw new Error('the message begins with a line that is no header');
  }
  rebuild(message);
  if (headers.first('mime-version') === undefined) headers.append(HeaderLine.of('MIME-Version', '1.0'));
  return ended(message.bytes);
}

/** The last line of a message has an end too. */
export function ended(message: Buffer): Buffer {
  const isEnded = message.at(-1) === 0x0a;
  return isEnded ? message : Buffer.concat([message, CRLF]);
}
