import type {
  Clock,
  ConnectionMeta,
  Diagnostics,
  DisconnectMode,
  Endpoint,
  MaybePromise,
  Message,
  MessageId,
  PolicyEvents,
  ReceptionTrace,
  RelayFacts,
  RelayFailure,
  TlsIdentity,
  TlsInfo,
  TraceTap,
} from '../../model/index.ts';
import type { EsmtpListenerOptions } from '../../model/options/index.ts';
import type { EnvelopeAddress, Reply } from '../../protocol/smtp/index.ts';

/** What one listener is made of. Everything that it touches outside of the room comes in here. */
export interface SmtpServerParameters {
  options: SmtpServerOptions;
  /** The name of the machine, for listeners that name none. */
  hostname: string;
  clock: Clock;
  diagnostics: Diagnostics;
  events: PolicyEvents;
  /**
   * Why no mail can be taken now (operations.md 14), as it follows `421 4.3.2 HOST `; undefined when it can.
   * Asked for each connection and each MAIL FROM.
   */
  refusal(): string | undefined;
  /** The next room. The answer comes once the mail is safe; it does not reject. */
  receive(transaction: ReceivedTransaction): MaybePromise<ReceptionAnswer>;
  /** The certificate and key for STARTTLS; without it there is none. Rejects with an Error that says why. */
  identity?: (options: SmtpServerOptions, hostname: string) => Promise<TlsIdentity>;
  /** Called for every reply of 4xx and 5xx but the `4.3.2` ones of load shedding and shutdown. */
  onRejection(record: RejectionRecord): void;
  newMessageId(): MessageId;
  /** A UUID. */
  newSessionId(): string;
  metrics?: SmtpServerMetrics;
  /** Who watches the sessions. */
  trace?: TraceTap;
}

export type SmtpServerOptions = Pick<
  EsmtpListenerOptions,
  | 'allow_xclient'
  | 'banner'
  | 'batch_handling'
  | 'client_timeout'
  | 'data_processing_timeout'
  | 'deferred_queue'
  | 'deferred_spool'
  | 'hostname'
  | 'invalid_line_endings'
  | 'line_length_hard_limit'
  | 'max_connections'
  | 'max_message_size'
  | 'max_messages_per_connection'
  | 'max_recipients_per_message'
  | 'meta'
  | 'peer'
  | 'relay_hosts'
  | 'require_proxy_protocol'
  | 'tls_certificate'
  | 'tls_private_key'
  | 'tls_required_client_ca'
  | 'trace_headers'
  | 'via'
>;

/** One transaction with its whole body, ready to be taken over. */
export interface ReceivedTransaction {
  sender: EnvelopeAddress;
  recipients: EnvelopeAddress[];
  body: Buffer;
  meta: ConnectionMeta;
  listener: SmtpServerOptions;
  /** Name of this host for the Received header. */
  hostname: string;
  peer: Endpoint;
  local: Endpoint;
  sessionId: string;
  ehloDomain: string | undefined;
  smtpUtf8: boolean;
  tls: TlsInfo | undefined;
  isAuthenticated: boolean;
  /** On the clock's monotonic scale: when data_processing_timeout ends. */
  deadline: number;
  /** What `smtp_server_data` saw and may have changed; absent when there is no such handler. */
  message?: Message;
  /**
   * What the client may do with mail from a sender to a recipient, since policy may have changed both; a failure
   * when policy cannot say. Absent when the client may send anything anywhere.
   */
  relayOf?: (sender: EnvelopeAddress, recipient: EnvelopeAddress) => MaybePromise<RelayFacts | RelayFailure>;
  /** For those who watch the session. */
  trace?: ReceptionTrace | undefined;
  /** The recipients of each message, when policy has said so; otherwise batch_handling counts. */
  batches?: EnvelopeAddress[][];
}

export interface ReceptionAnswer {
  reply: Reply;
  disconnect: DisconnectMode;
}

/** For a Rejection record of the delivery log (operations.md 9). */
export interface RejectionRecord {
  /** With the line that provoked it; null for the greeting. Credentials are blotted out. */
  reply: Reply;
  /** '' when there was no MAIL FROM. */
  sender: string;
  /** The last that was accepted, or ''. */
  recipient: string;
  meta: ConnectionMeta;
  peer: Endpoint;
  ehloDomain: string | undefined;
  sessionId: string;
  tls: TlsInfo | undefined;
}

/** operations.md 13: connection_count, total_connection_count, total_connections_denied, smtp_server_rejections. */
export interface SmtpServerMetrics {
  connectionOpened(): void;
  connectionClosed(): void;
  connectionDenied(): void;
  rejection(): void;
}
