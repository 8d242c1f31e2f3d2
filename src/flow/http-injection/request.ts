import { type Static, type TProperties, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { JsonObject } from '../../model/index.ts';
import { InjectionRefused } from './refusal.ts';

const strict = <Properties extends TProperties>(properties: Properties, description: string) =>
  Type.Object(properties, { additionalProperties: false, description });

/** Clients send null for what they do not say. */
const text = (description: string) =>
  Type.Optional(Type.Union([Type.String(), Type.Null()], { description }));

const values = (description: string) =>
  Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description }));

const flag = (description: string) => Type.Optional(Type.Boolean({ default: false, description }));

const addressSchema = (description: string) =>
  Type.Optional(
    Type.Union([
      strict({ email: Type.String(), name: text('Display name; a template.') }, description),
      Type.Null(),
    ]),
  );

const attachmentSchema = strict(
  {
    data: Type.String({ description: 'The content, as text or in base64.' }),
    content_type: Type.String({ description: 'Such as image/png; parameters may follow.' }),
    base64: flag('Whether data is base64.'),
    content_id: text('Id that HTML names after cid:; the attachment is shown in place then.'),
    file_name: text('Name of the file.'),
  },
  'An attachment. Nothing of it is a template.',
);

export const contentSchema = strict(
  {
    text_body: text('Plain text; a template.'),
    html_body: text('HTML; a template, whose values are escaped.'),
    amp_html_body: text('AMP HTML beside the others; a template, whose values are escaped.'),
    from: addressSchema('The header From.'),
    reply_to: addressSchema('The header Reply-To.'),
    subject: text('The header Subject; a template.'),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.String(), { description: 'Further headers; values are templates.' }),
    ),
    attachments: Type.Optional(Type.Array(attachmentSchema)),
  },
  'A message in parts. text_body or html_body must be there.',
);

const recipientSchema = strict(
  {
    email: Type.String({ description: 'Address of the envelope.' }),
    name: text('Display name for the header To, and the variable `name`.'),
    substitutions: values('Variables of templates for this recipient.'),
    metadata: values('Kept whole as the metadata `extra` of the message.'),
  },
  'Each recipient gets a message of its own.',
);

const traceSchema = strict(
  {
    received_header: Type.Optional(Type.Boolean({ default: true, description: 'Add a Received header.' })),
    supplemental_header: Type.Optional(Type.Boolean({ default: true, description: 'Add the next header.' })),
    header_name: Type.Optional(Type.String({ default: 'X-KumoRef', description: 'Its name.' })),
    include_meta_names: Type.Optional(Type.Array(Type.String(), { description: 'Metadata to put in it.' })),
  },
  'Without this object: a supplemental header and no Received header.',
);

/** What POST /api/inject/v1 and kumo.api.inject take (operations.md 4.1). */
export const injectionSchema = strict(
  {
    envelope_sender: Type.String({ description: 'Sender of the envelope.' }),
    recipients: Type.Array(recipientSchema),
    content: Type.Union([
      Type.String({ description: 'A whole message (RFC 5322); a template.' }),
      contentSchema,
    ]),
    substitutions: values('Variables of templates for all recipients.'),
    deferred_spool: flag(
      'Keep the messages in memory until an attempt fails: they are lost with the server.',
    ),
    deferred_generation: flag('Keep the request and make the messages later.'),
    trace_headers: Type.Optional(traceSchema),
    template_dialect: Type.Optional(
      Type.Union([Type.Literal('Jinja'), Type.Literal('Static'), Type.Literal('Handlebars')], {
        default: 'Jinja',
      }),
    ),
  },
  'One message for each recipient.',
);

export type InjectionRequest = Static<typeof injectionSchema>;
export type InjectedContent = Static<typeof contentSchema>;
export type InjectedRecipient = Static<typeof recipientSchema>;
export type InjectedAttachment = Static<typeof attachmentSchema>;

/** Levels of objects and lists inside each other; engines below recurse through them. */
const DEEPEST = 64;

const request = Compile(injectionSchema);
const content = Compile(contentSchema);

/** The request as it is declared. Throws InjectionRefused (422). */
export function checkedRequest(value: unknown): InjectionRequest {
  if (!request.Check(value)) throw new InjectionRefused(422, problemOf(value));
  if (isDeep(value, DEEPEST)) throw new InjectionRefused(422, `values nest deeper than ${DEEPEST} levels`);
  return value;
}

/** The values of templates, which JSON is. */
export function substitutionsOf(given: Record<string, unknown> | undefined): JsonObject {
  return (given ?? {}) as JsonObject;
}

interface Problem {
  instancePath: string;
  message: string;
  keyword: string;
}

/** The first thing that is wrong, and where. */
function problemOf(value: unknown): string {
  const given = (value as { content?: unknown } | null)?.content;
  const all = [...request.Errors(value)] as Problem[];
  const elsewhere = all.find(({ instancePath }) => !instancePath.startsWith('/content'));
  if (elsewhere !== undefined) return textOf(elsewhere, '');
  // Of an object, what is wrong with it as such says more than that it is no string.
  if (typeof given === 'object' && given !== null) {
    const [problem] = [...content.Errors(given)] as Problem[];
    if (problem !== undefined) return textOf(problem, 'content');
  }
  return 'content: expected a string or an object';
}

/** Characters of a field name that errors show. */
const LONGEST_SHOWN = 100;

function textOf({ instancePath, message, keyword }: Problem, prefix: string): string {
  const path = `${prefix}${instancePath.replaceAll('/', '.')}`.replace(/^\./, '').slice(0, LONGEST_SHOWN);
  // What additionalProperties refuses is told as a value that no schema allows.
  if (keyword === 'boolean') return `unknown field \`${path}\``;
  return path === '' ? message : `${path}: ${message}`;
}

function isDeep(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (left === 0) return true;
  for (const inner of Array.isArray(value) ? value : Object.values(value)) {
    if (isDeep(inner, left - 1)) return true;
  }
  return false;
}
