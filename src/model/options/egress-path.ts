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

const port = integer({ min: 1, max: 65_535 });
const atLeastOne = integer({ min: 1 });
const shrink = oneOf('ShrinkDataAndMeta', 'ShrinkData', 'NoShrink');
const wakeup = oneOf('Aggressive', 'Relaxed');

const limits = {
  connection_limit: field(limitSpec(), { default: 32, doc: 'Most connections to the site from the source.' }),
  additional_connection_limits: field(map(limitSpec()), {
    default: {},
    effect: 'later',
    doc: 'Further limits by name that connections of several paths share.',
  }),
  max_connection_rate: field(throttleSpec(), { doc: 'How fast connections may be opened.' }),
  max_message_rate: field(throttleSpec(), { doc: 'How fast messages may be sent.' }),
  additional_message_rate_throttles: field(map(throttleSpec()), {
    default: {},
    effect: 'later',
    doc: 'Further throttles by name that messages of several paths share.',
  }),
  source_selection_rate: field(throttleSpec(), {
    effect: 'later',
    doc: 'How often the source may be chosen for the site; for warming up an address.',
  }),
  additional_source_selection_rates: field(map(throttleSpec()), {
    default: {},
    effect: 'later',
    doc: 'Further selection throttles by name that several paths share.',
  }),
  max_ready: field(atLeastOne, {
    default: 1024,
    doc: 'Most messages in the ready queue, divided among the shards.',
  }),
  max_deliveries_per_connection: field(atLeastOne, {
    default: 1024,
    doc: 'Messages after which a connection is closed.',
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
    effect: 'later',
    doc: 'Obey the MTA-STS policy of the domain.',
  }),
  enable_dane: field(boolean(), {
    default: false,
    effect: 'later',
    doc: 'Check certificates by TLSA records.',
  }),
  opportunistic_tls_reconnect_on_failed_handshake: field(boolean(), {
    default: false,
    doc: 'With the opportunistic modes: dial again without TLS when the handshake fails.',
  }),
  remember_broken_tls: field(duration(), {
    effect: 'later',
    doc: 'How long a site with broken TLS is sent to without.',
  }),
  tls_prefer_openssl: field(boolean(), {
    default: false,
    effect: 'later',
    doc: 'Choice of library in KumoMTA. Node has one, so nothing changes.',
  }),
  tls_certificate: field(keySource(), { effect: 'later', doc: 'Client certificate, PEM.' }),
  tls_private_key: field(keySource(), { effect: 'later', doc: 'Key of the client certificate, PEM.' }),
  openssl_cipher_list: field(string(), { effect: 'later', doc: 'Ciphers up to TLS 1.2.' }),
  openssl_cipher_suites: field(string(), { effect: 'later', doc: 'Cipher suites of TLS 1.3.' }),
  openssl_options: field(string(), { effect: 'later', doc: 'OpenSSL option names joined with |.' }),
  rustls_cipher_suites: field(list(string()), {
    default: [],
    effect: 'later',
    doc: 'Cipher suites by their rustls names.',
  }),
};

const session = {
  smtp_port: field(port, { default: 25, doc: 'Port to connect to.' }),
  smtp_auth_plain_username: field(string(), { effect: 'later', doc: 'User for AUTH PLAIN.' }),
  smtp_auth_plain_password: field(keySource(), { effect: 'later', doc: 'Password for AUTH PLAIN.' }),
  allow_smtp_auth_plain_without_tls: field(boolean(), {
    default: false,
    effect: 'later',
    doc: 'AUTH PLAIN may go in clear.',
  }),
  allow_smtp_auth_plain_without_valid_certificate: field(boolean(), {
    default: false,
    effect: 'later',
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
    effect: 'later',
    doc: 'Where a session goes on after its connection broke.',
  }),
  try_next_host_on_transport_error: field(boolean(), {
    default: false,
    effect: 'later',
    doc: 'After a broken connection the same message is tried at once on the next host.',
  }),
  enable_rset: field(boolean(), { default: true, doc: 'RSET between messages of a connection.' }),
  enable_pipelining: field(boolean(), { default: true, doc: 'Use PIPELINING when it is offered.' }),
  use_lmtp: field(boolean(), { default: false, effect: 'later', doc: 'Speak LMTP.' }),
  ignore_8bit_checks: field(boolean(), {
    default: false,
    doc: 'Send 8-bit content also to peers that do not offer it.',
  }),
};

const timeouts = {
  connect_timeout: field(duration(), { default: '60s', doc: 'For the TCP connection.' }),
  banner_timeout: field(duration(), { default: '60s', doc: 'For the greeting.' }),
  auth_timeout: field(duration(), { default: '60s', effect: 'later', doc: 'For the reply to AUTH.' }),
  ehlo_timeout: field(duration(), { default: '300s', doc: 'For the reply to EHLO.' }),
  mail_from_timeout: field(duration(), { default: '300s', doc: 'For the reply to MAIL FROM.' }),
  rcpt_to_timeout: field(duration(), { default: '300s', doc: 'For the reply to RCPT TO.' }),
  data_timeout: field(duration(), { default: '300s', doc: 'For the reply to DATA.' }),
  data_dot_timeout: field(duration(), { default: '300s', doc: 'For the reply to the end of the message.' }),
  idle_timeout: field(duration(), { default: '5s', doc: 'How long a connection waits for a next message.' }),
  starttls_timeout: field(duration(), {
    default: '5s',
    doc: 'For the reply to STARTTLS and for the handshake.',
  }),
  rset_timeout: field(duration(), { default: '5s', doc: 'For the reply to RSET.' }),
  system_shutdown_timeout: field(duration(), {
    effect: 'later',
    doc: 'How long a drain waits for a message that is being sent. Without it the sum of the timeouts from MAIL FROM on.',
  }),
};

const upkeep = {
  refresh_strategy: field(oneOf('Ttl', 'Epoch'), {
    default: 'Ttl',
    effect: 'later',
    doc: 'When the configuration is asked for again: after refresh_interval, or when the policy changes.',
  }),
  refresh_interval: field(duration(), {
    default: '60s',
    doc: 'With Ttl: how long the configuration is used.',
  }),
  provider_name: field(string(), { doc: 'Provider that metrics and log records name.' }),
  low_memory_reduction_policy: field(shrink, {
    default: 'ShrinkDataAndMeta',
    effect: 'later',
    doc: 'What leaves memory when it runs low.',
  }),
  no_memory_reduction_policy: field(shrink, {
    default: 'ShrinkDataAndMeta',
    effect: 'later',
    doc: 'What leaves memory when there is none left.',
  }),
  dispatcher_wakeup_strategy: field(wakeup, {
    default: 'Aggressive',
    effect: 'later',
    doc: 'How many idle sessions a new message wakes.',
  }),
  maintainer_wakeup_strategy: field(wakeup, {
    default: 'Aggressive',
    effect: 'later',
    doc: 'When a new message makes the queue look whether to open connections.',
  }),
  dispatcher_progress_watchdog_timeout: field(duration(), {
    effect: 'later',
    doc: 'After this long without progress a session is given up.',
  }),
  readyq_pool_name: field(string(), {
    effect: 'later',
    doc: 'Thread pool in KumoMTA. Moonpost has shards instead.',
  }),
  aggressive_connection_opening: field(boolean(), {
    default: false,
    effect: 'later',
    doc: 'Open connections without waiting for the first to succeed.',
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

/** How long a drain waits for a message that is being sent, in milliseconds (delivery.md 14). */
export function systemShutdownTimeout(path: EgressPathOptions): number {
  const sum = path.mail_from_timeout + path.rcpt_to_timeout + path.data_timeout + path.data_dot_timeout;
  return path.system_shutdown_timeout ?? sum;
}
