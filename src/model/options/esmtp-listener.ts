import {
  anyValue,
  boolean,
  cidr,
  cidrList,
  defineOptions,
  duration,
  field,
  integer,
  keySource,
  list,
  listenAddress,
  map,
  type OptionsDeclaration,
  type OptionsOf,
  oneOf,
  partialTable,
  type RichKind,
  string,
  table,
} from '../define/index.ts';

export const traceHeaderOptions = defineOptions(
  'start_esmtp_listener.trace_headers',
  { luaClass: 'kumo.TraceHeaderOptions', doc: 'Headers that are added to received mail.' },
  {
    received_header: field(boolean(), { default: true, doc: 'Add a Received header.' }),
    supplemental_header: field(boolean(), {
      default: true,
      doc: 'Add a header with the recipient and chosen metadata, to recognise the message in reports.',
    }),
    header_name: field(string(), {
      default: 'X-KumoRef',
      doc: 'Name of the supplemental header.',
    }),
    include_meta_names: field(list(string()), {
      default: [],
      doc: 'Metadata that the supplemental header carries.',
    }),
  },
);

export type TraceHeaderOptions = OptionsOf<typeof traceHeaderOptions>;

/** By client or by local address: the settings that differ. Blocks may hold blocks. */
export type ListenerOverrides = Record<string, Record<string, unknown>>;

function overrides(): RichKind<ListenerOverrides> {
  return map(
    partialTable(
      'kumo.EsmtpListenerOverrides',
      () => esmtpOverrideOptions as OptionsDeclaration<Record<string, unknown>>,
    ),
    cidr(),
  ) as RichKind<ListenerOverrides>;
}

const session = {
  hostname: field(string(), {
    doc: 'Name in the banner, replies and Received. Without it the name of the machine.',
  }),
  relay_hosts: field(cidrList(), {
    default: ['127.0.0.1', '::1'],
    doc: 'Clients that may relay to anywhere.',
  }),
  banner: field(string(), { default: 'Moonpost', doc: 'Text after the host name in the greeting.' }),
  tls_certificate: field(keySource(), {
    doc: 'PEM. Without it a self-signed one for the host name.',
  }),
  tls_private_key: field(keySource(), { doc: 'Key of the certificate, PEM.' }),
  tls_required_client_ca: field(keySource(), {
    doc: 'CA that must have signed the certificate of the client; without such a certificate the handshake fails.',
  }),
  trace_headers: field(table(traceHeaderOptions), {
    default: {},
    doc: 'Headers that are added to received mail.',
  }),
  batch_handling: field(oneOf('BifurcateAlways', 'BatchByDomain'), {
    default: 'BifurcateAlways',
    doc: 'One message per recipient, or one per recipient domain.',
  }),
  invalid_line_endings: field(oneOf('Deny', 'Allow', 'Fix'), {
    default: 'Deny',
    doc: 'What a bare CR or LF in a message leads to: 552 5.6.0 and the end of the connection, nothing, or CRLF in its place. NUL is refused like that in every mode.',
  }),
  deferred_spool: field(boolean(), {
    default: false,
    doc: 'Answer before the message is on disk: it is written when the first attempt fails, or at shutdown. A crash loses it.',
  }),
  deferred_queue: field(boolean(), {
    default: false,
    doc: 'Run the policy after the answer.',
  }),
  allow_xclient: field(boolean(), { default: false, doc: 'Let the client use XCLIENT.' }),
  require_proxy_protocol: field(boolean(), {
    default: false,
    doc: 'Every connection starts with a PROXY header, version 1 or 2. Without it the connection is closed in silence.',
  }),
  meta: field(map(anyValue()), { default: {}, doc: 'Metadata that every connection starts with.' }),
};

const limits = {
  max_message_size: field(integer({ min: 0 }), {
    default: 20_971_520,
    doc: 'Bytes. Larger messages are answered 552, at MAIL when the client names a SIZE.',
  }),
  max_recipients_per_message: field(integer({ min: 1 }), {
    default: 1024,
    doc: 'Further ones are answered 452.',
  }),
  max_messages_per_connection: field(integer({ min: 1 }), {
    default: 10_000,
    doc: 'Recipients that a connection may name in all its messages.',
  }),
  client_timeout: field(duration(), { default: '60s', doc: 'How long a client may be silent.' }),
  data_processing_timeout: field(duration(), {
    default: '5m',
    doc: 'How long a received message may take until the answer.',
  }),
  line_length_hard_limit: field(integer({ min: 1 }), {
    default: 998,
    doc: 'Bytes of a line of a command or a message, without CRLF. Longer ones are answered 500.',
  }),
  data_buffer_size: field(integer({ min: 1 }), {
    default: 131_072,
    doc: 'Read buffer in KumoMTA. Node chooses its own.',
  }),
};

/** What `peer`, `via` and smtp_server_get_dynamic_parameters may change. */
export const esmtpOverrideOptions = defineOptions(
  'start_esmtp_listener.peer',
  { luaClass: 'kumo.EsmtpListenerOverrides', doc: 'Settings for some clients, or for some local addresses.' },
  {
    ...session,
    ...limits,
    peer: field(overrides(), { doc: 'Settings by address of the client; of several blocks the narrowest.' }),
    via: field(overrides(), { doc: 'Settings by local address; of several blocks the narrowest.' }),
  },
);

export const esmtpListenerOptions = defineOptions(
  'start_esmtp_listener',
  { luaClass: 'kumo.EsmtpListenerOptions', doc: 'A port that takes mail over SMTP.' },
  {
    listen: field(listenAddress(), {
      default: '127.0.0.1:2025',
      doc: 'IP:PORT. Port 0 lets the system choose.',
    }),
    ...session,
    ...limits,
    max_connections: field(integer({ min: 1 }), {
      default: 32_768,
      doc: 'Of each shard. Further ones are answered 421 and closed.',
    }),
    peer: field(overrides(), { doc: 'Settings by address of the client; of several blocks the narrowest.' }),
    via: field(overrides(), { doc: 'Settings by local address; of several blocks the narrowest.' }),
  },
);

export type EsmtpListenerOptions = OptionsOf<typeof esmtpListenerOptions>;
