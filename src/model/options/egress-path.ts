import {
  boolean,
  cidrList,
  defineOptions,
  duration,
  field,
  formatOptions,
  integer,
  keySource,
  limitSpec,
  list,
  map,
  type OptionsOf,
  oneOf,
  parseOptions,
  string,
  throttleSpec,
} from '../define/index.ts';
import type { Json } from '../json.ts';
import { opensslCipherSuites, opensslOptions, rustlsCipherSuite } from './tls-names.ts';

const port = integer({ min: 1, max: 65_535 });
const atLeastOne = integer({ min: 1 });
const shrink = oneOf('ShrinkDataAndMeta', 'ShrinkData', 'NoShrink');
const wakeup = oneOf('Aggressive', 'Relaxed');

const limits = {
  connection_limit: field(limitSpec(), { default: 32, doc: 'Most connections to the site from the source.' }),
  additional_connection_limits: field(map(limitSpec()), {
    default: {},
    doc: 'Further limits by name that connections of several paths share.',
  }),
  max_connection_rate: field(throttleSpec(), { doc: 'How fast connections may be opened.' }),
  max_message_rate: field(throttleSpec(), { doc: 'How fast messages may be sent.' }),
  additional_message_rate_throttles: field(map(throttleSpec()), {
    default: {},
    doc: 'Further throttles by name that messages of several paths share.',
  }),
  source_selection_rate: field(throttleSpec(), {
    doc: 'How often the source may be chosen for the site; for warming up an address.',
  }),
  additional_source_selection_rates: field(map(throttleSpec()), {
    default: {},
    doc: 'Further selection throttles by name that several paths share.',
  }),
  max_ready: field(atLeastOne, {
    default: 1024,
    doc: 'Most messages in the ready queue, divided among the shards.',
  }),
  max_deliveries_per_connection: field(integer({ min: 0 }), {
    default: 1024,
    doc: 'Messages after which a connection is closed. 0: no limit.',
  }),
  max_recipients_per_batch: field(atLeastOne, { default: 100, doc: 'Most recipients in one transaction.' }),
  consecutive_connection_failures_before_delay: field(integer({ min: 0 }), {
    default: 100,
    doc: 'After more failed connections in a row than this, counted over all shards, all messages of the ready queue are put back to wait.',
  }),
};

const tls = {
  enable_tls: field(
    oneOf('Opportunistic', 'OpportunisticInsecure', 'Required', 'RequiredInsecure', 'Disabled'),
    {
      default: 'Opportunistic',
      doc: 'Opportunistic: STARTTLS where it is offered, with a right certificate. OpportunisticInsecure: any certificate, and in clear over a new connection when the handshake fails. Required, RequiredInsecure: never in clear; with a right, or any, certificate.',
    },
  ),
  enable_mta_sts: field(boolean(), {
    default: true,
    doc: 'Obey the MTA-STS policy of the domain (RFC 8461): mode enforce counts as Required, testing as OpportunisticInsecure. Hosts that a policy of mode enforce does not name are left out in any case.',
  }),
  enable_dane: field(boolean(), {
    default: false,
    doc: 'Check certificates by TLSA records (RFC 7672), where DNSSEC proves the MX, the address and the records. That takes a resolver that checks DNSSEC, on this machine or with trust_ad; else it changes nothing, and a warning says so.',
  }),
  opportunistic_tls_reconnect_on_failed_handshake: field(boolean(), {
    default: false,
    doc: 'With the opportunistic modes: dial again without TLS when the handshake fails.',
  }),
  remember_broken_tls: field(duration(), {
    doc: 'How long a ready queue goes without TLS after it failed, in the opportunistic modes. Without it 15 minutes with opportunistic_tls_reconnect_on_failed_handshake, else not at all. Each shard remembers for itself.',
  }),
  implicit_tls: field(boolean(), {
    default: false,
    extension: true,
    doc: 'TLS from the first octet on, as on port 465, in place of STARTTLS. Never in clear; the certificate is checked unless enable_tls is one of the insecure modes.',
  }),
  tls_server_name: field(string(), {
    extension: true,
    doc: 'Name to ask the server for (SNI) and to find in its certificate. Without it that of the host. Not used where DANE or MTA-STS asks for TLS.',
  }),
  tls_verify_certificate: field(boolean(), {
    extension: true,
    doc: 'Whether an authority must vouch for the certificate. Without it as enable_tls says. Not used where DANE or MTA-STS asks for TLS.',
  }),
  tls_verify_hostname: field(boolean(), {
    extension: true,
    doc: 'Whether the certificate must be made out to the host. Without it as enable_tls says. Not used where DANE or MTA-STS asks for TLS.',
  }),
  tls_prefer_openssl: field(boolean(), {
    default: false,
    doc: 'Choice of library in KumoMTA. Node has OpenSSL alone; with this its options win over rustls_cipher_suites.',
  }),
  tls_certificate: field(keySource(), {
    doc: 'Client certificate, PEM. Sent only when it and its key can be read; both are read again every 5 minutes.',
  }),
  tls_private_key: field(keySource(), { doc: 'Key of the client certificate, PEM.' }),
  openssl_cipher_list: field(string(), { doc: 'Ciphers up to TLS 1.2, as OpenSSL writes such lists.' }),
  openssl_cipher_suites: field(opensslCipherSuites(), { doc: 'Cipher suites of TLS 1.3, joined with :.' }),
  openssl_options: field(opensslOptions(), {
    doc: 'OpenSSL option names joined with |, such as NO_TLSV1_2. Come on top of those that the library has set.',
  }),
  rustls_cipher_suites: field(list(rustlsCipherSuite()), {
    default: [],
    doc: 'Cipher suites by their rustls names. Versions of TLS without one in the list are not spoken.',
  }),
};

const session = {
  smtp_port: field(port, { default: 25, doc: 'Port to connect to.' }),
  smtp_auth_plain_username: field(string(), {
    doc: 'User for AUTH PLAIN. A server that does not offer or take it is not sent to.',
  }),
  smtp_auth_plain_password: field(keySource(), {
    doc: 'Password for AUTH PLAIN, read again every 5 minutes. A line end after it is left out.',
  }),
  allow_smtp_auth_plain_without_tls: field(boolean(), {
    default: false,
    doc: 'AUTH PLAIN may go in clear.',
  }),
  allow_smtp_auth_plain_without_valid_certificate: field(boolean(), {
    default: false,
    doc: 'AUTH PLAIN may go to a peer whose certificate is not proved.',
  }),
  ehlo_domain: field(string(), { doc: 'Name in EHLO. Without it that of the source, or the host name.' }),
  ip_lookup_strategy: field(oneOf('Ipv4AndIpv6', 'Ipv4Only', 'Ipv6Only', 'Ipv6ThenIpv4', 'Ipv4ThenIpv6'), {
    default: 'Ipv4AndIpv6',
    doc: 'Which addresses of a host are tried, and in which order.',
  }),
  prohibited_hosts: field(cidrList(), {
    default: ['127.0.0.0/8', '::1', '0.0.0.0', '::'],
    doc: 'A site with an address in here is not sent to at all; its messages bounce.',
  }),
  skip_hosts: field(cidrList(), {
    default: [],
    doc: 'Addresses in here are left out of the hosts of a site.',
  }),
  reconnect_strategy: field(oneOf('ConnectNextHost', 'TerminateSession', 'ReconnectSameHost'), {
    default: 'ConnectNextHost',
    doc: 'Where a session goes on after its connection broke: at the next host of its plan, nowhere, or at the same host.',
  }),
  try_next_host_on_transport_error: field(boolean(), {
    default: false,
    doc: 'After a 421, a time-out or a lost connection the same message is tried at once on the next host of the plan.',
  }),
  enable_rset: field(boolean(), { default: true, doc: 'RSET between messages of a connection.' }),
  enable_pipelining: field(boolean(), { default: true, doc: 'Use PIPELINING when it is offered.' }),
  use_lmtp: field(boolean(), { default: false, doc: 'Speak LMTP: LHLO, and a reply per recipient.' }),
  ignore_8bit_checks: field(boolean(), {
    default: false,
    doc: 'Send 8-bit content also to peers that do not offer it.',
  }),
};

const timeouts = {
  connect_timeout: field(duration(), { default: '60s', doc: 'For the TCP connection.' }),
  banner_timeout: field(duration(), { default: '60s', doc: 'For the greeting.' }),
  auth_timeout: field(duration(), { default: '60s', doc: 'For the reply to AUTH.' }),
  ehlo_timeout: field(duration(), { default: '300s', doc: 'For the reply to EHLO.' }),
  mail_from_timeout: field(duration(), { default: '300s', doc: 'For the reply to MAIL FROM.' }),
  rcpt_to_timeout: field(duration(), { default: '300s', doc: 'For the reply to RCPT TO.' }),
  data_timeout: field(duration(), { default: '300s', doc: 'For the reply to DATA.' }),
  data_dot_timeout: field(duration(), {
    default: '300s',
    doc: 'For the reply to the end of the message, from the body on; data_timeout is added to it.',
  }),
  idle_timeout: field(duration(), { default: '5s', doc: 'How long a connection waits for a next message.' }),
  starttls_timeout: field(duration(), {
    default: '5s',
    doc: 'For the reply to STARTTLS and for the handshake.',
  }),
  rset_timeout: field(duration(), { default: '5s', doc: 'For the reply to RSET.' }),
  system_shutdown_timeout: field(duration(), {
    doc: 'How long a drain waits for a message that is being sent. Without it the sum of the timeouts from MAIL FROM on.',
  }),
};

const upkeep = {
  refresh_strategy: field(oneOf('Ttl', 'Epoch'), {
    default: 'Ttl',
    doc: 'When the configuration is asked for again: after refresh_interval, or when the policy changes.',
  }),
  refresh_interval: field(duration(), {
    default: '60s',
    doc: 'With Ttl: how long the configuration is used.',
  }),
  provider_name: field(string(), { doc: 'Provider that metrics and log records name.' }),
  low_memory_reduction_policy: field(shrink, {
    default: 'ShrinkDataAndMeta',
    doc: 'What leaves memory of a message that enters the ready queue while memory is low, until it is sent: body and metadata, the body, or nothing.',
  }),
  no_memory_reduction_policy: field(shrink, {
    default: 'ShrinkDataAndMeta',
    doc: 'What leaves memory of the messages that wait in the ready queue when there is none left.',
  }),
  dispatcher_wakeup_strategy: field(wakeup, {
    default: 'Aggressive',
    doc: 'How many idle sessions a new message wakes. Both values mean one here: the message is handed to it.',
  }),
  maintainer_wakeup_strategy: field(wakeup, {
    default: 'Aggressive',
    doc: 'When a new message makes the queue look whether to open connections. Both values mean always here: the look is cheap.',
  }),
  dispatcher_progress_watchdog_timeout: field(duration(), {
    doc: 'After this long without progress a session is given up. Without it twice the longest timeout of MAIL FROM to the end of the message, at least 60s.',
  }),
  readyq_pool_name: field(string(), {
    doc: 'Thread pool in KumoMTA. Without effect: Moonpost has shards instead.',
  }),
  aggressive_connection_opening: field(boolean(), {
    default: false,
    doc: 'Connect first and take a message then. Otherwise a connection is made for the message that it has in hand.',
  }),
};

export const egressPathOptions = defineOptions(
  'make_egress_path',
  { luaClass: 'kumo.EgressPathOptions', doc: 'How one source sends to one site.' },
  { ...limits, ...tls, ...session, ...timeouts, ...upkeep },
);

export type EgressPathOptions = OptionsOf<typeof egressPathOptions>;

/** What kumo.make_egress_path gives and get_egress_path_config returns. */
export class EgressPath {
  readonly options: EgressPathOptions;

  constructor(options: EgressPathOptions) {
    this.options = options;
  }

  /** The options as policy reads them back. */
  entries(): Record<string, unknown> {
    return formatOptions(egressPathOptions, this.options);
  }

  /** For what takes any value, such as json_encode, and in place of a table of options. */
  asJson(): { [key: string]: Json } {
    return formatOptions(egressPathOptions, this.options);
  }
}

/** What holds when no handler answers. */
export function defaultEgressPathOptions(): EgressPathOptions {
  return parseOptions(egressPathOptions, {});
}
