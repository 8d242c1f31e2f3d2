import {
  boolean,
  bytes,
  defineFunction,
  defineOptions,
  field,
  instanceOf,
  makeKind,
  oneOf,
  optional,
  parseOptions,
  string,
  table,
  type UnnamedFunction,
  unchecked,
} from '../../model/define/index.ts';
import {
  type MaybePromise,
  Message,
  type NotificationRecord,
  notificationFor,
  type PolicyHost,
  supplementalHeader,
} from '../../model/index.ts';
import { traceHeaderOptions } from '../../model/options/index.ts';
import { EnvelopeAddress } from '../../protocol/smtp/index.ts';
import { withData } from './message-data.ts';

function addressOf(text: string): EnvelopeAddress {
  const address = EnvelopeAddress.parse(text);
  if (address === undefined) throw new Error(`'${text}' is no mail address`);
  return address;
}

const mtaOptions = defineOptions(
  'generate_rfc3464_message.reporting_mta',
  { luaClass: 'table', doc: 'Who reports.' },
  {
    mta_type: field(string(), { required: true, doc: 'Such as dns.' }),
    name: field(string(), { required: true, doc: 'Such as mta.example.com.' }),
  },
);

const reportOptions = defineOptions(
  'generate_rfc3464_message',
  { luaClass: 'table', doc: 'Which records become delivery status notifications, and what is in them.' },
  {
    include_original_message: field(oneOf('No', 'HeadersOnly', 'FullContent'), {
      default: 'No',
      doc: 'How much of the message goes back.',
    }),
    enable_expiration: field(boolean(), { default: false, doc: 'For messages that got too old.' }),
    enable_bounce: field(boolean(), { default: false, doc: 'For messages that were refused.' }),
    reporting_mta: field(table(mtaOptions), { required: true, doc: 'Who reports: {mta_type, name}.' }),
    stable_content: field(boolean(), { default: false, doc: 'The same record gives the same bytes.' }),
  },
);

const reportArgument = () => makeKind('table', 'table', (value) => parseOptions(reportOptions, value));

const message = () => instanceOf(Message, 'message');

function notification(
  host: PolicyHost,
  params: ReturnType<ReturnType<typeof reportArgument>['parse']>,
  subject: Message | undefined,
  record: NotificationRecord,
): MaybePromise<Message | null> {
  const id = host.newMessageId();
  const build = (original: Buffer | undefined): Message | null => {
    const body = notificationFor(params, record, original, id);
    if (body === undefined) return null;
    const recipients = [addressOf(record.sender)];
    return new Message({ id, sender: EnvelopeAddress.nullSender, recipients, meta: {}, body });
  };
  const wants = params.include_original_message !== 'No' && subject !== undefined;
  return wants ? withData(subject, build) : build(undefined);
}

export const messageFunctions = {
  make_message: defineFunction({
    params: { sender: string(), recipient: string(), body: bytes() },
    returns: 'message',
    doc: 'A message that is in no queue yet; kumo.inject_message takes it.',
    call: ({ sender, recipient, body }, { host }) =>
      new Message({
        id: host.newMessageId(),
        sender: addressOf(sender),
        recipients: [addressOf(recipient)],
        meta: {},
        body,
      }),
  }),
  inject_message: defineFunction({
    params: { message: message(), deferred_spool: optional(boolean(), false) },
    doc: 'Saves the message and puts it into its queue. deferred_spool has no effect yet: it is always saved first.',
    call: ({ message }, { host }) => host.inject(message),
  }),
  apply_supplemental_trace_header: defineFunction({
    params: {
      message: message(),
      trace_headers: optional(makeKind('table', 'kumo.TraceHeaderOptions', parseTraceHeaders), {}),
    },
    doc: 'Adds the header that ties reports to the message: base64 of its recipient and chosen metadata.',
    call: ({ message, trace_headers }) => {
      if (!trace_headers.supplemental_header) return undefined;
      const { header_name, include_meta_names } = trace_headers;
      const recipients = message.recipients.map(String);
      const header = supplementalHeader(header_name, recipients, message.meta, include_meta_names);
      return withData(message, (data) => message.setData(Buffer.concat([Buffer.from(header), data])));
    },
  }),
  generate_rfc3464_message: defineFunction({
    params: { params: reportArgument(), message: optional(message()), record: unchecked('table') },
    returns: 'message|nil',
    doc: "A delivery status notification for a log record, to the sender of the message, from the null sender. params: {include_original_message='No'|'HeadersOnly'|'FullContent', enable_expiration=false, enable_bounce=false, reporting_mta={mta_type, name}, stable_content=false}. nil when the record is of a type that is not enabled, is not about ESMTP, or had the null sender.",
    call: ({ params, message, record }, { host }) =>
      notification(host, params, message, record as NotificationRecord),
  }),
} satisfies Record<string, UnnamedFunction>;

function parseTraceHeaders(value: unknown) {
  return parseOptions(traceHeaderOptions, value);
}
