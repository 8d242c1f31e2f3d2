import {
  boolean,
  bytes,
  defineFunction,
  defineModule,
  defineObject,
  defineOptions,
  field,
  instanceOf,
  list,
  makeKind,
  methodsOf,
  optional,
  PolicyValueError,
  parseOptions,
  string,
} from '../../model/define/index.ts';
import {
  type AttachmentOptions,
  MimeBuilder,
  MimePart,
  newBinary,
  newMultipart,
  newText,
  parseMime,
  rebuild,
  simpleStructure,
} from '../../protocol/mime/index.ts';

const part = () => instanceOf(MimePart, 'mimepart');

const attachmentOptions = defineOptions(
  'mimepart.new_binary',
  { luaClass: 'table', doc: 'How an attachment is shown.' },
  {
    file_name: field(string(), { doc: 'Name of the file.' }),
    inline: field(boolean(), { default: false, doc: 'Shown in place instead of as an attachment.' }),
    content_id: field(string(), { doc: 'Id that HTML can name, without angle brackets.' }),
  },
);

const attachment = () =>
  optional(
    makeKind<AttachmentOptions>('attachment', 'table', (value) => parseOptions(attachmentOptions, value)),
  );

/** Random enough to be in no other message. */
const newBoundary = (id: string): string => `=_${id}`;

export const mimepartModule = defineModule(
  'kumo.mimepart',
  { doc: 'Reads and builds MIME messages.' },
  {
    parse: defineFunction({
      params: { data: bytes() },
      returns: 'mimepart',
      doc: 'The parts of a message. What is not changed is written back byte for byte.',
      call: ({ data }) => parseMime(data),
    }),
    new_text: defineFunction({
      params: { content_type: string(), text: string() },
      returns: 'mimepart',
      doc: 'A part of a text type.',
      call: ({ content_type, text }) => newText(content_type, text),
    }),
    new_text_plain: defineFunction({
      params: { text: string() },
      returns: 'mimepart',
      doc: 'A part of plain text.',
      call: ({ text }) => newText('text/plain', text),
    }),
    new_html: defineFunction({
      params: { html: string() },
      returns: 'mimepart',
      doc: 'A part of HTML.',
      call: ({ html }) => newText('text/html', html),
    }),
    new_binary: defineFunction({
      params: { content_type: string(), data: bytes(), options: attachment() },
      returns: 'mimepart',
      doc: 'A part of any type; {file_name, inline=false, content_id} make it an attachment.',
      call: ({ content_type, data, options }) => newBinary(content_type, data, options),
    }),
    new_multipart: defineFunction({
      params: { content_type: string(), parts: list(part()), boundary: optional(string()) },
      returns: 'mimepart',
      doc: 'A multipart of copies of the parts.',
      call: ({ content_type, parts, boundary }, { host }) =>
        newMultipart(content_type, parts, boundary ?? newBoundary(host.newMessageId())),
    }),
    builder: defineFunction({
      returns: 'mimepart_builder',
      doc: 'Builds a message of text, HTML and attachments.',
      call: (_, { host }) => new MimeBuilder(() => newBoundary(host.newMessageId())),
    }),
  },
);

const method = methodsOf<MimePart>();

export const mimepartObject = defineObject(
  'mimepart',
  MimePart,
  {
    doc: 'A part of a MIME message, which may hold others.',
    fields: {
      body: {
        luaType: 'string',
        doc: 'Decoded content; text in UTF-8 for text types. Assigning encodes anew and keeps the type.',
        get: (self) => self.body,
      },
      headers: { luaType: 'headermap', doc: 'Its headers.', get: (self) => self.headers },
      id: {
        luaType: 'string',
        doc: "Place in the message, such as 1.0; '' for the whole.",
        get: (self) => self.id,
      },
    },
    assign: (self, key, value) => {
      if (key !== 'body')
        throw new PolicyValueError(`mimepart has no field '${String(key)}' that can be set`);
      if (typeof value !== 'string' && !Buffer.isBuffer(value)) {
        throw new PolicyValueError('body: expected a string');
      }
      self.setBody(value);
    },
    text: (self) => self.root.bytes,
  },
  {
    replace_body: method({
      params: { body: bytes(), content_type: optional(string()) },
      doc: 'Replaces the content, and the type where one is given.',
      call: (self, { body, content_type }) => self.setBody(body, content_type),
    }),
    get_simple_structure: method({
      returns: 'table',
      doc: '{text_part, html_part, header_part, attachments = {{file_name, inline, content_id, content_type, part}}}.',
      call: (self) => ({ ...simpleStructure(self) }),
    }),
    append_part: method({
      params: { part: part() },
      doc: 'Puts a copy of the part behind the others of this multipart.',
      call: (self, { part }) => self.append(part.copy()),
    }),
    rebuild: method({
      returns: 'mimepart',
      doc: 'A copy of the whole message in which what is not fit for every relay is encoded anew.',
      call: (self) => {
        const copy = self.root.copy();
        rebuild(copy);
        return copy;
      },
    }),
  },
);

const builderMethod = methodsOf<MimeBuilder>();

const textMethod = (type: Parameters<MimeBuilder['setText']>[0], doc: string) =>
  builderMethod({ params: { text: string() }, doc, call: (self, { text }) => self.setText(type, text) });

export const mimepartBuilderObject = defineObject(
  'mimepart_builder',
  MimeBuilder,
  { doc: 'Builds the usual message. Its methods return nothing.' },
  {
    text_plain: textMethod('text/plain', 'Sets the plain text.'),
    text_html: textMethod('text/html', 'Sets the HTML.'),
    text_amp_html: textMethod('text/x-amp-html', 'Sets the AMP HTML.'),
    attach: builderMethod({
      params: { content_type: string(), data: bytes(), options: attachment() },
      doc: 'Adds an attachment; options as for new_binary.',
      call: (self, { content_type, data, options }) =>
        self.attach(newBinary(content_type, data, options ?? {})),
    }),
    attach_part: builderMethod({
      params: { part: part() },
      doc: 'Adds a copy of the part.',
      call: (self, { part }) => self.attach(part),
    }),
    set_stable_content: builderMethod({
      params: { stable: boolean() },
      doc: 'The same calls give the same bytes.',
      call: (self, { stable }) => self.setStable(stable),
    }),
    build: builderMethod({
      returns: 'mimepart',
      doc: 'The message so far; can be called once.',
      call: (self) => self.build(),
    }),
  },
);
