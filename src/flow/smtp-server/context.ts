import {
  ConnectionMeta,
  type Endpoint,
  type MaybePromise,
  type PolicyResult,
  type TlsIdentity,
  type TlsInfo,
  type TraceTap,
  UNWATCHED,
} from '../../model/index.ts';
import { formatHostPort } from '../../protocol/ip/index.ts';
import type { DataReader, EnvelopeAddress } from '../../protocol/smtp/index.ts';
import type { Answer } from './answer.ts';
import type { AuthBackoff } from './auth-backoff.ts';
import { andThen } from './maybe-promise.ts';
import type { SmtpServerOptions, SmtpServerParameters } from './parameters.ts';
import type { ListenerDomains } from './relay.ts';
import { sessionOptions } from './session-options.ts';
import { SessionTrace } from './session-trace.ts';

/** From MAIL FROM to the answer to its message, or to RSET (RFC 5321 §3.3). */
export interface Transaction {
  readonly sender: EnvelopeAddress;
  readonly recipients: EnvelopeAddress[];
  readonly smtpUtf8: boolean;
  /** Monotonic: when MAIL FROM was accepted. */
  readonly began: number;
  /** Set by the first BDAT; the chunks of a message go through one reader. */
  chunks: DataReader | undefined;
  /** Monotonic: when data_processing_timeout ends, counted from DATA or the first BDAT. */
  deadline: number;
}

/** Octets that are not commands. The session feeds what arrives until it is complete. */
export interface Reading {
  /** Monotonic; then the rest is not waited for. */
  readonly deadline: number;
  /** When the octets do not come, nothing is said about it. */
  readonly isSilent?: boolean;
  /** The command that policy is told, when it is not the line itself. */
  readonly endsData: boolean;
  readonly isComplete: boolean;
  /** Takes what belongs to it, returns how many octets that was. */
  feed(chunk: Buffer): number;
  complete(): MaybePromise<Answer>;
}

const ABSENT: PolicyResult = { kind: 'absent' };

/** What the commands of a session know and change. */
export class SessionContext {
  readonly parameters: SmtpServerParameters;
  readonly sessionId: string;
  /** As XCLIENT or a PROXY header says, or those of the socket. */
  peer: Endpoint;
  local: Endpoint;
  /** Of this session, after `peer`, `via` and policy. */
  options: SmtpServerOptions;
  readonly meta: ConnectionMeta;
  ehloDomain: string | undefined;
  transaction: Transaction | undefined;
  /** The transaction that the reply being made is about, when that has ended it. */
  concluded: Transaction | undefined;
  /** Set while octets of a message arrive. */
  reading: Reading | undefined;
  /** Set while the next line is no command but goes here. */
  dialogue: ((line: Buffer) => MaybePromise<Answer>) | undefined;
  /** Set when the 220 of STARTTLS is to be followed by a handshake. */
  upgrade: TlsIdentity | undefined;
  tls: TlsInfo | undefined;
  isAuthenticated = false;
  readonly authBackoff: AuthBackoff;
  /** RCPT TO commands that were allowed to relay (`max_messages_per_connection`). */
  recipientCount = 0;
  listenerDomains: ListenerDomains | undefined;
  readonly #tap: TraceTap;
  #trace: SessionTrace | undefined;

  constructor(parameters: SmtpServerParameters, authBackoff: AuthBackoff, peer: Endpoint, local: Endpoint) {
    this.parameters = parameters;
    this.#tap = parameters.trace ?? UNWATCHED;
    this.authBackoff = authBackoff;
    this.sessionId = parameters.newSessionId();
    this.peer = peer;
    this.local = local;
    this.meta = new ConnectionMeta();
    this.options = parameters.options;
    this.meta.set('reception_protocol', 'ESMTP');
    this.#nameAddresses();
    this.configure(undefined);
  }

  get hostname(): string {
    return this.options.hostname ?? this.parameters.hostname;
  }

  /** Settles the options of the session; `dynamic` is what policy returned. */
  configure(dynamic: Record<string, unknown> | undefined): void {
    const addresses = { peer: this.peer.address, local: this.local.address };
    this.options = sessionOptions(this.parameters.options, addresses, dynamic);
    this.listenerDomains = undefined;
    Object.assign(this.meta.values, structuredClone(this.options.meta));
    this.meta.set('hostname', this.hostname);
  }

  /** Somebody whom we trust to say so has told where the connection is from and to (XCLIENT, PROXY). */
  readdress(peer: Endpoint, local: Endpoint): void {
    for (const name of ['received_from', 'received_via']) {
      const first = this.meta.get(name);
      if (this.meta.get(`orig_${name}`) === undefined && first !== undefined)
        this.meta.set(`orig_${name}`, first);
    }
    this.peer = peer;
    this.local = local;
    this.#nameAddresses();
    this.configure(undefined);
  }

  /** RFC 3207 §4.2: what was said in plain text is forgotten. */
  secured(tls: TlsInfo): void {
    this.tls = tls;
    this.meta.set('tls_cipher', tls.cipher);
    this.meta.set('tls_protocol_version', tls.protocolVersion);
    if (tls.peerSubjectName.length > 0) this.meta.set('tls_peer_subject_name', tls.peerSubjectName);
    this.forgetHello();
  }

  /** As right after the greeting. */
  forgetHello(): void {
    this.ehloDomain = undefined;
    delete this.meta.values.ehlo_domain;
    this.transaction = undefined;
    this.listenerDomains = undefined;
  }

  /** Whoever comes now is not who proved to be somebody. */
  forgetIdentity(): void {
    this.isAuthenticated = false;
    this.meta.identities.length = 0;
    this.meta.groups.length = 0;
    delete this.meta.values.authn_id;
    delete this.meta.values.authz_id;
  }

  #nameAddresses(): void {
    this.meta.set('received_from', formatHostPort(this.peer.address, this.peer.port));
    this.meta.set('received_via', formatHostPort(this.local.address, this.local.port));
  }

  fire(event: string, args: readonly unknown[]): MaybePromise<PolicyResult> {
    const events = this.parameters.events;
    if (!events.handles(event)) return ABSENT;
    const fired = events.fire(event, args);
    return this.#tap.isWatched ? this.#traced(event, args, fired) : fired;
  }

  /** Undefined while nobody watches. */
  get trace(): SessionTrace | undefined {
    if (!this.#tap.isWatched) return undefined;
    this.#trace ??= new SessionTrace(this.#tap, this.meta);
    return this.#trace;
  }

  #traced(event: string, args: readonly unknown[], fired: MaybePromise<PolicyResult>): typeof fired {
    const name = event === 'get_listener_domain' ? `${event} domain=${args[0]}` : event;
    return andThen(fired, (result) => {
      this.trace?.callback(name, result);
      return result;
    });
  }

  /** Ends the transaction and gives it to whoever concludes it. */
  takeTransaction(): Transaction {
    const transaction = this.transaction!;
    this.transaction = undefined;
    this.concluded = transaction;
    return transaction;
  }

  /** For when octets of a message that were expected will not come. */
  abandonReading(): void {
    this.reading = undefined;
    this.transaction = undefined;
  }

  /** For records: of the transaction that is open or was just ended. */
  get lastEnvelope(): { sender: string; recipient: string } {
    const transaction = this.transaction ?? this.concluded;
    const recipient = transaction?.recipients.at(-1);
    return { sender: transaction?.sender.email ?? '', recipient: recipient?.email ?? '' };
  }
}
