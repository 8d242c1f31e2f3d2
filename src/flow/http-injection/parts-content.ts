import type { JsonObject } from '../../model/index.ts';
import {
  type Escaping,
  type FieldTemplate,
  fieldTemplate,
  type TemplateDialect,
} from '../../model/texts/index.ts';
import {
  formatDate,
  HeaderLine,
  MimeBuilder,
  type MimePart,
  structuredLine,
} from '../../protocol/mime/index.ts';
import { attachmentPart } from './attachments.ts';
import type { Content } from './content.ts';
import { InjectionRefused, orUnfit } from './refusal.ts';
import type { InjectedContent } from './request.ts';
import { ended } from './text-content.ts';
import { isGiven, mailboxOf, mailboxText } from './variables.ts';

type TextType = Parameters<MimeBuilder['setText']>[0];

const BODIES: readonly [field: 'text_body' | 'amp_html_body' | 'html_body', type: TextType, name: string][] =
  [
    ['text_body', 'text/plain', 'text_body.txt'],
    ['amp_html_body', 'text/x-amp-html', 'amp_html_body.html'],
    ['html_body', 'text/html', 'html_body.html'],
  ];

/** Headers that say how the message is built, which is our affair. */
const BUILT = /^content-(type|transfer-encoding|disposition|id)$/i;

/** One header of every message. */
interface HeaderTemplate {
  name: string;
  line: (values: () => JsonObject, now: number) => HeaderLine;
}

/** The part that all messages have in common, as bytes. */
interface Rest {
  headers: Buffer;
  body: Buffer;
}

/** A message described by its parts (operations.md 4.2). */
export class PartsContent implements Content {
  readonly #newBoundary: () => string;
  readonly #bodies: { type: TextType; template: FieldTemplate }[] = [];
  readonly #headers: readonly HeaderTemplate[];
  readonly #attachments: readonly MimePart[];
  readonly #names: ReadonlySet<string>;
  readonly #fixed: Rest | undefined;

  /** Throws InjectionRefused (422). */
  constructor(content: InjectedContent, dialect: TemplateDialect, newBoundary: () => string) {
    this.#newBoundary = newBoundary;
    if (!isGiven(content.text_body) && !isGiven(content.html_body)) {
      throw new InjectionRefused(422, 'at least one of text_body and/or html_body must be given');
    }
    for (const [field, type, name] of BODIES) {
      const source = content[field];
      if (!isGiven(source)) continue;
      const escaping = type === 'text/plain' ? 'none' : 'html';
      this.#bodies.push({
        type,
        template: template(`content.${field}`, { name, source, dialect, escaping }),
      });
    }
    this.#headers = headerTemplates(content, dialect);
    this.#names = new Set(this.#headers.map(({ name }) => name.toLowerCase()));
    this.#attachments = (content.attachments ?? []).map(attachmentPart);
    if (this.#bodies.every(({ template }) => template.fixed !== undefined)) {
      this.#fixed = orUnfit('content: ', () => this.#rest(() => ({}), 0));
    }
  }

  build(values: () => JsonObject, to: () => string, now: number): Buffer {
    const { headers, body } = this.#fixed ?? this.#rest(values, now);
    const lines = this.#headers.map(({ line }) => line(values, now).bytes);
    if (!this.#names.has('to')) lines.push(HeaderLine.of('To', to()).bytes);
    if (!this.#names.has('date')) lines.push(HeaderLine.of('Date', formatDate(now)).bytes);
    return Buffer.concat([...lines, headers, BLANK, body]);
  }

  #rest(values: () => JsonObject, now: number): Rest {
    const builder = new MimeBuilder(this.#newBoundary);
    for (const { type, template } of this.#bodies) {
      builder.setText(type, template.fixed ?? template.render(values(), now));
    }
    for (const part of this.#attachments) builder.attach(part);
    const message = builder.build();
    if (this.#names.has('mime-version')) message.headers.removeAll('mime-version');
    return { headers: message.headers.bytes, body: ended(message.encodedBody) };
  }
}

const BLANK = Buffer.from('\r\n');

interface Source {
  name: string;
  source: string;
  dialect: TemplateDialect;
  escaping: Escaping;
}

function template(field: string, source: Source): FieldTemplate {
  return orUnfit(`failed parsing field '${field}' as template: `, () => fieldTemplate(source));
}

/** In the order of their names; those with a field of their own beat those of `headers`. */
function headerTemplates(content: InjectedContent, dialect: TemplateDialect): HeaderTemplate[] {
  const { from, reply_to: replyTo, subject, headers = {} } = content;
  const found: HeaderTemplate[] = [];
  if (isGiven(from)) found.push(mailboxHeader('From', 'from', from, dialect));
  if (isGiven(replyTo)) found.push(mailboxHeader('Reply-To', 'reply_to', replyTo, dialect));
  if (isGiven(subject)) found.push(textHeader('Subject', subject, dialect));
  const own = new Set(found.map(({ name }) => name.toLowerCase()));
  for (const [name, value] of Object.entries(headers)) {
    if (own.has(name.toLowerCase())) continue;
    if (BUILT.test(name)) throw new InjectionRefused(422, `content.headers: ${name} is made from the parts`);
    found.push(textHeader(name, value, dialect));
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Line breaks in the value become spaces. */
function textHeader(name: string, source: string, dialect: TemplateDialect): HeaderTemplate {
  orUnfit('content.headers: ', () => HeaderLine.of(name, ''));
  const value = headerTemplate(name, source, dialect);
  const { fixed } = value;
  if (fixed !== undefined) {
    const line = orUnfit(`content.headers: ${name}: `, () => HeaderLine.ofText(name, fixed));
    return { name, line: () => line };
  }
  return {
    name,
    line: (values, now) => HeaderLine.ofText(name, value.render(values(), now)),
  };
}

function headerTemplate(name: string, source: string, dialect: TemplateDialect): FieldTemplate {
  return template(`headers['${name}']`, { name: `headers[${name}]`, source, dialect, escaping: 'none' });
}

/** Address and name are made apart, so that no value can make an address of a name. */
function mailboxHeader(
  name: 'From' | 'Reply-To',
  field: 'from' | 'reply_to',
  given: { email: string; name?: string | null },
  dialect: TemplateDialect,
): HeaderTemplate {
  orUnfit(`failed parsing content.${field}: `, () => mailboxText(given.email, given.name));
  const email = headerTemplate(name, given.email, dialect);
  const display = isGiven(given.name) ? headerTemplate(name, given.name, dialect) : undefined;
  const lineOf = (address: string, phrase: string | undefined): HeaderLine =>
    structuredLine(name, 'mailbox', mailboxOf(address, phrase));
  if (email.fixed !== undefined && (display === undefined || display.fixed !== undefined)) {
    const line = lineOf(email.fixed, display?.fixed);
    return { name, line: () => line };
  }
  return {
    name,
    line: (values, now) => {
      const address = email.render(values(), now);
      return lineOf(address, display?.render(values(), now));
    },
  };
}
