import { randomUUID } from 'node:crypto';
import {
  type Clock,
  type MaybePromise,
  measured,
  type Outcome,
  type PeerAddress,
  type RecipientOutcome,
  type SourceAddress,
  type TlsInfo,
} from '../../model/index.ts';
import type { EnvelopeAddress, Reply } from '../../protocol/smtp/index.ts';
import { type Candidate, peerAddressOf } from './candidate.ts';
import type { Capabilities } from './capabilities.ts';
import type { ClientTrace, TracedMessage } from './client-trace.ts';
import { type ConnectionFailure, QUIT_TIMEOUT, type SmtpConnection } from './connection.ts';
import {
  body8bitReply,
  envelope8bitReply,
  is8bit,
  isSendable,
  mailLine,
  unsendableReply,
} from './envelope-commands.ts';
import type { SmtpPathOptions } from './path-options.ts';
import { sourceAddressOf } from './proxy-route.ts';
import {
  failureReply,
  isTooMany,
  outcomeOf,
  type RewriteStatus,
  rcptOutcomeOf,
  rewritten,
} from './settle.ts';
import { type TransactionResult, transact } from './transaction.ts';

const attempts = measured.histogram('deliver_message_latency_rollup', 'smtp_client');

export interface AttemptRequest {
  sender: EnvelopeAddress;
  recipients: readonly EnvelopeAddress[];
  body: Buffer;
  /** smtp_client_rewrite_delivery_status; called for each reply of the peer other than 250. */
  rewriteStatus?: RewriteStatus | undefined;
  /** For those who watch: which message it is. */
  id?: string;
  home?: TracedMessage['home'];
}

export interface AttemptResult {
  /** One for each recipient of the request, in no particular order. */
  outcomes: RecipientOutcome[];
  connection: 'open' | 'gone';
  /**
   * True when a kept connection turned out to be gone before the server answered anything. Nothing happened to
   * the message: it may go to another connection at once, without record or count, instead of the outcomes.
   */
  stale: boolean;
  /** What went wrong with the connection, for try_next_host_on_transport_error. */
  failure: 'reply421' | 'timeout' | 'transport' | undefined;
  peer: PeerAddress;
  tls: TlsInfo | undefined;
  sourceAddress: SourceAddress;
  /** Which message of this connection it was, from 1. */
  delivery: number;
}

export interface SessionParts {
  candidate: Candidate;
  path: SmtpPathOptions;
  clock: Clock;
  capabilities: Capabilities;
  tls: TlsInfo | undefined;
  trace?: ClientTrace;
}

/**
 * One greeted connection to one host, made by `connectSmtp`.
 * usable → attempting → usable … → gone. `attempt` takes one message and settles each of its recipients exactly once,
 * whatever becomes of the connection. Gone is for good: after a 421, a failure of the connection, something
 * unsolicited from the server, or `quit`. One attempt at a time.
 */
export class SmtpSession {
  /** UUID that all log records of this connection share. */
  readonly id: string;
  readonly peer: PeerAddress;
  readonly tls: TlsInfo | undefined;
  readonly sourceAddress: SourceAddress;
  readonly capabilities: Capabilities;
  /** Why this session is in clear text although the server offered TLS; for remember_broken_tls. */
  brokenTls: string | undefined;
  readonly #connection: SmtpConnection;
  readonly #candidate: Candidate;
  readonly #path: SmtpPathOptions;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #transactions = 0;
  #deliveries = 0;
  #unclean = false;
  #closing = false;
  readonly #trace: ClientTrace | undefined;

  constructor(connection: SmtpConnection, parts: SessionParts) {
    this.#connection = connection;
    this.#candidate = parts.candidate;
    this.#path = parts.path;
    this.#clock = parts.clock;
    this.peer = peerAddressOf(parts.candidate);
    this.tls = parts.tls;
    this.sourceAddress = sourceAddressOf(connection.transport);
    this.capabilities = parts.capabilities;
    this.#trace = parts.trace;
    this.id = parts.trace?.id ?? randomUUID();
  }

  /** False when the next message needs another connection. Ask before each message. */
  get usable(): boolean {
    return !this.#closing && !this.#connection.gone;
  }

  /** What the server said unasked before it went, usually a 421. */
  get farewell(): Reply | undefined {
    return this.#connection.farewell;
  }

  /** Called once when the session becomes unusable while idle. */
  set onGone(callback: (() => void) | undefined) {
    this.#connection.onGone = callback;
  }

  /** Sends one message to its recipients, in as many transactions as max_recipients_per_batch asks for. */
  async attempt(request: AttemptRequest): Promise<AttemptResult> {
    const began = this.#clock.monotonic();
    const delivery = ++this.#deliveries;
    if (isTraced(request)) this.#trace?.obtained(request);
    const attempt = new Attempt(request, this.#path, this.capabilities);
    let previous: readonly number[] = [];
    let stale = false;
    for (let batch = attempt.next(); batch.length > 0; batch = attempt.next()) {
      const kept = this.#transactions > 0;
      const result = await this.#transact(attempt, batch);
      stale = kept && previous.length === 0 && !result.answered && this.#connection.gone;
      await this.#settle(attempt, batch, result, previous);
      previous = batch;
      if (attempt.failure !== undefined) break;
    }
    attempts.took(this.#clock.monotonic() - began);
    if (attempt.failure === 'reply421') void this.quit();
    return {
      outcomes: attempt.outcomes,
      connection: this.usable ? 'open' : 'gone',
      stale,
      failure: attempt.failure,
      peer: this.peer,
      tls: this.tls,
      sourceAddress: this.sourceAddress,
      delivery,
    };
  }

  /** Takes leave. Resolves when the server has answered, or not in time; never rejects. */
  async quit(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#connection.onGone = undefined;
    const line = 'QUIT\r\n';
    await this.#connection.exchange([{ line, timeout: QUIT_TIMEOUT }], [line]);
    this.#connection.close();
  }

  /** Closes at once, also under an attempt, whose message then fails with `reason`. */
  abort(reason: string): void {
    this.#connection.abort(reason);
  }

  async #transact(attempt: Attempt, batch: readonly number[]): Promise<TransactionResult> {
    const withRset = this.#unclean || (this.#transactions > 0 && this.#path.enable_rset);
    this.#transactions += 1;
    const result = await transact({
      connection: this.#connection,
      path: this.#path,
      pipelining: this.#path.enable_pipelining && this.capabilities.has('PIPELINING'),
      withRset,
      mailLine: attempt.mailLine,
      recipients: batch.map((index) => attempt.request.recipients[index]!),
      body: attempt.request.body,
    });
    this.#unclean = result.replies.some((answer) => answer === undefined || answer.code >= 300);
    return result;
  }

  async #settle(
    attempt: Attempt,
    batch: readonly number[],
    result: TransactionResult,
    previous: readonly number[],
  ): Promise<void> {
    const { rewriteStatus } = attempt.request;
    // The same reply decides about many recipients; policy is asked about it once.
    const seen = new Map<Reply, Reply>();
    for (const [position, index] of batch.entries()) {
      const said = result.replies[position];
      if (said === undefined) continue;
      let answer = seen.get(said);
      if (answer === undefined) {
        const maybe: MaybePromise<Reply> = rewritten(said, rewriteStatus);
        answer = maybe instanceof Promise ? await maybe : maybe;
        seen.set(said, answer);
      }
      if (said.code === 421) attempt.failure = 'reply421';
      const atRcpt = result.refusedAtRcpt.has(position) && answer === said;
      if (atRcpt && result.failure === undefined && isOneTooMany(said, position, index, previous)) {
        attempt.again(index);
      } else attempt.settle(index, atRcpt ? rcptOutcomeOf(answer) : outcomeOf(answer));
    }
    if (attempt.failure !== undefined) attempt.settleRest(this.#failure(result.failure));
    else if (result.failure !== undefined) {
      attempt.failure = result.failure.kind === 'timeout' ? 'timeout' : 'transport';
      attempt.settleRest(this.#failure(result.failure));
    }
  }

  #failure(failure: ConnectionFailure | undefined): Outcome {
    const farewell = this.#connection.farewell;
    if (farewell !== undefined && farewell.code >= 400) return { kind: 'transient', reply: farewell };
    const cause = failure ?? { kind: 'closed', text: 'the server closes the connection' };
    return { kind: 'transient', reply: failureReply(cause, this.#candidate) };
  }
}

/**
 * Whether this recipient was only one too many for the transaction, so that it goes into the next one at once. A
 * clear 4.5.3 says so itself; a bare 452 or 552 may mean a full mailbox as well, and gets one more try.
 */
function isOneTooMany(said: Reply, position: number, index: number, previous: readonly number[]): boolean {
  if (position === 0) return false;
  const verdict = isTooMany(said);
  return verdict === 'yes' || (verdict === 'maybe' && !previous.includes(index));
}

function isTraced(request: AttemptRequest): request is AttemptRequest & TracedMessage {
  return request.id !== undefined && request.home !== undefined;
}

/** The recipients of one attempt: to be sent, and settled. */
class Attempt {
  readonly request: AttemptRequest;
  readonly mailLine: string;
  readonly outcomes: RecipientOutcome[] = [];
  failure: AttemptResult['failure'];
  readonly #batchSize: number;
  readonly #waiting: number[] = [];
  #again: number[] = [];
  readonly #done: boolean[];

  constructor(request: AttemptRequest, path: SmtpPathOptions, offered: Capabilities) {
    this.request = request;
    this.#batchSize = Math.max(path.max_recipients_per_batch, 1);
    this.#done = new Array<boolean>(request.recipients.length).fill(false);
    const checks = !path.ignore_8bit_checks;
    const body8bit = is8bit(request.body);
    const utf8 = offered.has('SMTPUTF8');
    const { sender, recipients } = request;
    let refusal: Reply | undefined;
    if (!isSendable(sender)) refusal = unsendableReply('sender');
    else if (checks && sender.isInternationalized && !utf8) refusal = envelope8bitReply();
    else if (checks && body8bit && !offered.has('8BITMIME')) refusal = body8bitReply();
    let envelope8bit = sender.isInternationalized;
    for (const [index, recipient] of recipients.entries()) {
      const own = refusal ?? refusalOf(recipient, checks && !utf8);
      if (own === undefined) {
        this.#waiting.push(index);
        envelope8bit ||= recipient.isInternationalized;
      } else this.settle(index, { kind: 'permanent', reply: own });
    }
    this.mailLine = mailLine(sender, { size: request.body.length, body8bit, envelope8bit }, offered);
  }

  /** Indexes for the next transaction; none when all is settled. */
  next(): number[] {
    const batch = [...this.#again, ...this.#waiting.splice(0, this.#batchSize - this.#again.length)];
    this.#again = [];
    return batch;
  }

  /** Puts the recipient into the next transaction. */
  again(index: number): void {
    this.#again.push(index);
  }

  settle(recipient: number, outcome: Outcome): void {
    if (this.#done[recipient] === true) return;
    this.#done[recipient] = true;
    this.outcomes.push({ recipient, outcome });
  }

  /** Settles whoever is not settled yet. */
  settleRest(outcome: Outcome): void {
    for (const [index, done] of this.#done.entries()) if (!done) this.settle(index, outcome);
  }
}

function refusalOf(recipient: EnvelopeAddress, needsAscii: boolean): Reply | undefined {
  if (!isSendable(recipient)) return unsendableReply('recipient');
  return needsAscii && recipient.isInternationalized ? envelope8bitReply() : undefined;
}
