import {
  defineObject,
  methodsOf,
  optional,
  string,
  type UnnamedFunction,
  unchecked,
} from '../../model/define/index.ts';
import { HeaderLine, HeaderMap, type HeaderStructure, structureOf } from '../../protocol/mime/index.ts';
import { lineOf } from './mime-values.ts';

const method = methodsOf<HeaderMap>();

const field = (luaType: string, doc: string, get: (self: HeaderLine) => unknown) => ({ luaType, doc, get });

export const headerObject = defineObject('header', HeaderLine, {
  doc: 'One header. A field whose structure the value does not have raises.',
  fields: {
    name: field('string', 'Name as written.', (self) => self.name),
    raw_value: field('string', 'Value with its folds.', (self) => self.rawValue),
    unstructured: field('string', 'Value unfolded and decoded.', (self) => self.unstructured),
    value: field('any', 'By the structure that headers of this name have.', (self) => self.value),
    address_list: field('table[]', 'Mailboxes and groups.', (self) => self.addressList),
    mailbox_list: field('table[]', 'Mailboxes.', (self) => self.mailboxList),
    mailbox: field('table', 'One mailbox.', (self) => self.mailbox),
    message_id: field('string', 'Message id without angle brackets.', (self) => self.messageId),
    message_id_list: field('string[]', 'Message ids without angle brackets.', (self) => self.messageIdList),
    mime_params: field('table', '{value, parameters}.', (self) => self.mimeParameters),
    authentication_results: field(
      'table',
      '{serv_id, version, results}.',
      (self) => self.authenticationResults,
    ),
  },
  text: (self) => self.bytes,
});

/** Headers with a getter and a setter of their own. */
const NAMED = {
  from: 'From',
  to: 'To',
  cc: 'Cc',
  bcc: 'Bcc',
  reply_to: 'Reply-To',
  sender: 'Sender',
  subject: 'Subject',
  comments: 'Comments',
  message_id: 'Message-ID',
  content_id: 'Content-ID',
  references: 'References',
  mime_version: 'MIME-Version',
  content_type: 'Content-Type',
  content_disposition: 'Content-Disposition',
  content_transfer_encoding: 'Content-Transfer-Encoding',
  resent_from: 'Resent-From',
  resent_to: 'Resent-To',
  resent_cc: 'Resent-Cc',
  resent_bcc: 'Resent-Bcc',
  resent_sender: 'Resent-Sender',
} as const;

const LUA_TYPES: Record<HeaderStructure, string> = {
  address_list: 'table[]',
  mailbox_list: 'table[]',
  mailbox: 'table',
  message_id: 'string',
  message_id_list: 'string[]',
  mime_params: 'table',
  authentication_results: 'table',
  unstructured: 'string',
};

function namedMethods(): Record<string, UnnamedFunction> {
  const methods: Record<string, UnnamedFunction> = {};
  for (const [key, name] of Object.entries(NAMED)) {
    const structure = structureOf(name);
    methods[key] = method({
      returns: `${LUA_TYPES[structure]}|nil`,
      doc: `The value of the first ${name} header, or nil. Raises when it cannot be parsed.`,
      call: (self) => self.first(name)?.value ?? null,
    });
    methods[`set_${key}`] = method({
      params: {
        value: unchecked(structure === 'unstructured' ? 'string' : `string|${LUA_TYPES[structure]}`),
      },
      doc: `Replaces all ${name} headers by one. Text must be of its structure.`,
      call: (self, { value }) => self.set(lineOf(name, structure, value)),
    });
  }
  return methods;
}

export const headermapObject = defineObject(
  'headermap',
  HeaderMap,
  {
    doc: 'The headers of a MIME part. Changes are changes of the part.',
    text: (self) => self.bytes,
  },
  {
    get_first_named: method({
      params: { name: string() },
      returns: 'header|nil',
      doc: 'The first header of the name, or nil.',
      call: (self, { name }) => self.first(name) ?? null,
    }),
    iter: method({
      params: { name: optional(string()) },
      returns: 'fun(): header|nil',
      doc: 'Walks the headers, or those of the name: `for header in headers:iter() do`.',
      call: (self, { name }) => {
        const lines = self.named(name)[Symbol.iterator]();
        return () => lines.next().value ?? null;
      },
    }),
    append: method({
      params: { name: string(), value: string() },
      doc: 'Adds a header after all others, folded and encoded.',
      call: (self, { name, value }) => self.append(HeaderLine.ofText(name, value)),
    }),
    prepend: method({
      params: { name: string(), value: string() },
      doc: 'Adds a header before all others, folded and encoded.',
      call: (self, { name, value }) => self.prepend(HeaderLine.ofText(name, value)),
    }),
    remove_all_named: method({
      params: { name: string() },
      doc: 'Removes all headers of the name.',
      call: (self, { name }) => self.removeAll(name),
    }),
    ...namedMethods(),
  },
);
