import { ConnectionMeta, type Endpoint, type MaybePromise, type PolicyResult } from '../../model/index.ts';
import { formatHostPort } from '../../protocol/ip/index.ts';
import type { DataReader, EnvelopeAddress } from '../../protocol/smtp/index.ts';
import type { Answer } from './answer.ts';
import type { SmtpServerOptions, SmtpServerParameters } from './parameters.ts';
import type { ListenerDomains } from './relay.ts';

/** From MAIL FROM to the answer to its message, or to RSET (RFC 5321 §3.3). */
export interface Transaction {
  readonly sender: EnvelopeAddress;
  readonly recipients: EnvelopeAddress[];
  readonly smtpUtf8: boolean;
  /** Set by the first BDAT; the chunks of a message go through one reader. */
  chunks: DataReader | undefined;
  /** Monotonic: when data_processing_timeout ends, counted from DATA or the first BDAT. */
  deadline: number;
}

/** Octets that are not commands. The session feeds what arrives until it is complete. */
export interface Reading {
  /** Monotonic; then the rest is not waited for. */
  readonly deadline: number;
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
  readonly peer: Endpoint;
  readonly local: Endpoint;
  readonly meta: ConnectionMeta;
  ehloDomain: string | undefined;
  transaction: Transaction | undefined;
  /** The transaction that the reply being made is about, when that has ended it. */
  concluded: Transaction | undefined;
  /** Set while octets of a message arrive. */
  reading: Reading | undefined;
  /** RCPT TO commands that were allowed to relay (`max_messages_per_connection`). */
  recipientCount = 0;
  listenerDomains: ListenerDomains | undefined;

  constructor(parameters: SmtpServerParameters, peer: Endpoint, local: Endpoint) {
    this.parameters = parameters;
    this.sessionId = parameters.newSessionId();
    this.peer = peer;
    this.local = local;
    this.meta = new ConnectionMeta();
    Object.assign(this.meta.values, structuredClone(parameters.options.meta));
    this.meta.set('reception_protocol', 'ESMTP');
    this.meta.set('received_from', formatHostPort(peer.address, peer.port));
    this.meta.set('received_via', formatHostPort(local.address, local.port));
    this.meta.set('hostname', parameters.hostname);
  }

  get options(): SmtpServerOptions {
    return this.parameters.options;
  }

  get hostname(): string {
    return this.parameters.hostname;
  }

  fire(event: string, args: readonly unknown[]): MaybePromise<PolicyResult> {
    const events = this.parameters.events;
    return events.handles(event) ? events.fire(event, args) : ABSENT;
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
