import {
  BLOTTED,
  type MaybePromise,
  type TlsIdentity,
  type Transport,
  type TransportHandler,
} from '../../model/index.ts';
import { type Command, parseCommand } from '../../protocol/smtp/index.ts';
import { type Answer, formatReply, refusalOf, SILENCE, shedding, technicalDifficulties } from './answer.ts';
import type { AuthBackoff } from './auth-backoff.ts';
import { bdat, lineTooLong, perform } from './commands/index.ts';
import { receivingTimedOut } from './conclude.ts';
import { SessionContext } from './context.ts';
import { Deadline } from './deadline.ts';
import { banner, evaluate } from './evaluate.ts';
import { InputBuffer, LINE_TOO_LONG } from './input-buffer.ts';
import { LingeringClose } from './lingering-close.ts';
import { andThen } from './maybe-promise.ts';
import type { SmtpServerParameters } from './parameters.ts';
import { ProxyReading } from './proxy-reading.ts';
import { isRejection, rejectionRecord } from './rejection.ts';
import { rewriteReply } from './rewrite.ts';

/** Input that may wait while a command is at work, before the client is made to wait. */
const MAX_WAITING_OCTETS = 65_536;
const MAX_WAITING_CHUNKS = 64;
/** Answers that a client may leave unread before it is cut off. */
const MAX_UNREAD_OCTETS = 262_144;
/** Commands after which other sessions get their turn. */
const COMMANDS_PER_TURN = 100;

/**
 * The server side of one SMTP connection (RFC 5321 §3).
 *
 * working → awaiting → working … → closing → closed.
 * `working`: one command, the greeting or the end of a message is being answered, perhaps by a handler that waits;
 * what arrives meanwhile is kept, up to a limit. One command is answered before the next is looked at.
 * `awaiting`: for a whole line, or, while the context has a `reading`, for octets of a message. Left for `closing`
 * when the deadline passes: client_timeout counts per command line, however it dribbles in, and per arrival of
 * message octets; data_processing_timeout counts for the whole message.
 * `closing`: the last reply is on its way and nothing is read any more; entered after QUIT, 421, a refusal that
 * disconnects, the peer's end of input, or when a draining session has no transaction. Entered once.
 * `closed`: the transport is gone. An answer that comes later is dropped; the message it is about is not.
 */
type State = 'working' | 'awaiting' | 'closing' | 'closed';

export class SmtpSession implements TransportHandler {
  readonly context: SessionContext;
  readonly #parameters: SmtpServerParameters;
  readonly #transport: Transport;
  readonly #closed: () => void;
  readonly #input = new InputBuffer();
  readonly #deadline: Deadline;
  readonly #lingering: LingeringClose;
  #state: State = 'working';
  /** Replies not yet written: those of a pipelined batch leave in one segment. */
  #out = '';
  #unread = 0;
  #line: Buffer | undefined;
  /** Nothing of the next command was waited for yet. */
  #isFresh = true;
  #followsAuth = false;
  #isDraining = false;
  #isPaused = false;
  #inputEnded = false;

  constructor(
    parameters: SmtpServerParameters,
    authBackoff: AuthBackoff,
    transport: Transport,
    closed: () => void,
  ) {
    this.#parameters = parameters;
    this.#transport = transport;
    this.#closed = closed;
    this.context = new SessionContext(parameters, authBackoff, transport.remote, transport.local);
    this.#deadline = new Deadline(parameters.clock, () => this.#expire());
    this.#lingering = new LingeringClose(parameters.clock, transport);
  }

  /** Greets, once policy lets the connection pass. */
  start(): void {
    this.context.trace?.connected();
    this.#transport.receive(this);
    if (this.#settle(() => this.#greet())) this.#advance();
  }

  /** Ends the session at once when it has no transaction, otherwise when the transaction is over. */
  drain(): void {
    this.#isDraining = true;
    if (this.#state === 'awaiting') this.#endIfDrained();
  }

  data(chunk: Buffer): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    this.#input.push(chunk);
    if (this.#state === 'awaiting') this.#advance();
    else if (this.#input.size > MAX_WAITING_OCTETS || this.#input.chunkCount > MAX_WAITING_CHUNKS) {
      this.#isPaused = true;
      this.#transport.pause();
    }
  }

  end(): void {
    this.#inputEnded = true;
    if (this.#state === 'awaiting') this.#advance();
  }

  closed(error?: Error): void {
    if (this.#state === 'closed') return;
    // The network's errors are its own affair; whoever looks for them asks for the target.
    if (error !== undefined) {
      this.#parameters.diagnostics.debug('peer', `${this.#transport.remote.address}: ${error.message}`);
    }
    this.#state = 'closed';
    this.#deadline.cancel();
    this.#lingering.cancel();
    this.#input.clear();
    this.context.trace?.closed();
    this.#closed();
  }

  /** Nothing is said to the client before policy has let it pass (policy-api.md 1.5). */
  #greet(): MaybePromise<Answer> {
    return this.#evaluated(() => {
      if (!this.context.options.require_proxy_protocol) return this.#accept();
      this.context.reading = new ProxyReading(this.context, () => this.#evaluated(() => this.#accept()));
      return SILENCE;
    });
  }

  #evaluated(next: () => MaybePromise<Answer>): MaybePromise<Answer> {
    return andThen(evaluate(this.context), (refusal) =>
      refusal === undefined ? next() : { ...refusal, disconnect: closingMode(refusal) },
    );
  }

  #accept(): MaybePromise<Answer> {
    const fired = this.context.fire('smtp_server_connection_accepted', [this.context.meta]);
    return andThen(fired, (result) => {
      const refusal = refusalOf(result, this.context.hostname);
      // Before the banner a refusal closes, whatever its code (policy-api.md 1.4).
      if (refusal !== undefined) return { ...refusal, disconnect: closingMode(refusal) };
      return banner(this.context);
    });
  }

  /** Answers commands until there is none that is complete. */
  #advance(): void {
    for (let count = 0; count < COMMANDS_PER_TURN; count++) {
      const step = this.#nextStep();
      if (step === undefined) {
        this.#await();
        return;
      }
      this.#state = 'working';
      this.#isFresh = true;
      if (!this.#settle(step)) return;
    }
    this.#state = 'working';
    this.#parameters.clock.after(0, () => {
      if (this.#state === 'working') this.#advance();
    });
  }

  /** What to do with the input that is there; undefined when it is not enough for anything. */
  #nextStep(): (() => MaybePromise<Answer>) | undefined {
    for (;;) {
      const reading = this.context.reading;
      if (reading !== undefined) {
        this.#input.feed(this.context.trace?.reading(reading) ?? reading);
        if (!reading.isComplete) return undefined;
        this.context.reading = undefined;
        return () => andThen(reading.complete(), (value) => this.#finish(value, reading.endsData));
      }
      const line = this.#input.takeLine(this.context.options.line_length_hard_limit);
      if (line === undefined) return undefined;
      const dialogue = this.context.dialogue;
      this.context.dialogue = undefined;
      if (line === LINE_TOO_LONG) {
        this.#line = undefined;
        this.context.trace?.note('WARN', 'a line that is too long was dropped');
        return () => this.#finish(lineTooLong(), false);
      }
      if (dialogue !== undefined) {
        this.#line = HIDDEN;
        this.context.trace?.read(`${BLOTTED}\r\n`);
        return () => andThen(dialogue(line), (value) => this.#finish(value, false));
      }
      const command = parseCommand(line);
      this.#line = this.#isCredential(command) ? HIDDEN : line;
      this.context.trace?.read(commandText(this.#line));
      if (command.verb !== 'BDAT') {
        return () => andThen(perform(this.context, command), (value) => this.#finish(value, false));
      }
      bdat(this.context, command.size, command.last);
    }
  }

  /** A client that did not wait for the answer to AUTH, or did not mind it, sends its password as a command. */
  #isCredential(command: Command): boolean {
    if (command.verb === 'AUTH') this.#followsAuth = true;
    else if (command.verb !== 'UNKNOWN' && command.verb !== 'INVALID') this.#followsAuth = false;
    else return this.#followsAuth;
    return false;
  }

  /** Names the command in the answer, for records and for policy. */
  #finish(value: Answer, endsData: boolean): Answer {
    // Of successes policy is told the command only at the end of a message (policy-api.md 1.5).
    if (value.reply.code < 400 && !endsData) return value;
    const command = endsData ? '.\r\n' : this.#line === undefined ? null : commandText(this.#line);
    return { ...value, reply: { ...value.reply, command } };
  }

  /** Runs one step to its reply. False when the session must not look at the next one (yet). */
  #settle(step: () => MaybePromise<Answer>): boolean {
    let settled: MaybePromise<Answer>;
    try {
      settled = andThen(step(), (value) =>
        value.reply.code === 0 ? value : rewriteReply(this.context, value),
      );
    } catch (error) {
      settled = this.#fail(error);
    }
    if (!(settled instanceof Promise)) return this.#reply(settled);
    settled
      .catch((error: unknown) => this.#fail(error))
      .then(
        (value) => {
          if (this.#reply(value)) this.#advance();
        },
        () => this.#transport.destroy(),
      );
    return false;
  }

  /** An exception is a fault of ours, not of policy: the peer may try again, the log says where it was. */
  #fail(error: unknown): Answer {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#parameters.diagnostics.error('smtp_server', detail);
    return this.#finish(technicalDifficulties(this.context.hostname), false);
  }

  /** False when this was the last reply. */
  #reply(value: Answer): boolean {
    if (this.#state === 'closing' || this.#state === 'closed') return false;
    const { reply, disconnect } = value;
    if (reply.code === 0) {
      if (disconnect === 'ForceDisconnect') this.#transport.destroy();
      return disconnect !== 'ForceDisconnect';
    }
    this.#say(formatReply(reply));
    if (isRejection(reply)) {
      this.#parameters.metrics?.rejection();
      this.#parameters.onRejection(rejectionRecord(this.context, reply));
    }
    this.context.concluded = undefined;
    // Policy may have rewritten the 354; then there will be no message.
    if (this.context.reading !== undefined && reply.code !== 354) this.context.abandonReading();
    if (reply.code !== 334) this.context.dialogue = undefined;
    const upgrade = reply.code === 220 ? this.context.upgrade : undefined;
    this.context.upgrade = undefined;
    if (reply.code !== 421 && disconnect === 'FollowWith421') {
      this.#say(`421 ${this.context.hostname} disconnecting due to previous error\r\n`);
    }
    if (reply.code === 421 || disconnect !== 'If421') {
      this.#close();
      return false;
    }
    if (upgrade !== undefined) {
      this.#secure(upgrade);
      return false;
    }
    return this.#isDraining ? !this.#endIfDrained() : true;
  }

  #secure(identity: TlsIdentity): void {
    this.#flush();
    // What came in plain text after STARTTLS may be somebody else's (CVE-2011-0411).
    this.#input.clear();
    const timeout = this.context.options.client_timeout;
    this.#transport.secureAsServer({ identity, timeout }).then(
      (tls) => {
        if (this.#state === 'closed') return;
        this.context.secured(tls);
        this.#isPaused = false;
        this.#transport.resume();
        if (!this.#isDraining || !this.#endIfDrained()) this.#advance();
      },
      // The transport is gone and has said so.
      () => {},
    );
  }

  /** All that can be answered is answered: the replies leave, the client's time runs. */
  #await(): void {
    this.#flush();
    if (this.#state === 'closed') return;
    if (this.#inputEnded) {
      this.#close();
      return;
    }
    this.#state = 'awaiting';
    const now = this.#parameters.clock.monotonic();
    const patience = now + this.context.options.client_timeout;
    const reading = this.context.reading;
    if (reading !== undefined) this.#deadline.set(Math.min(patience, reading.deadline), now);
    // Half a line does not buy more time.
    else if (this.#isFresh) this.#deadline.set(patience, now);
    if (reading === undefined) this.#line = undefined;
    this.#isFresh = reading !== undefined;
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#transport.resume();
    }
  }

  #say(text: string): void {
    this.#out += text;
    this.context.trace?.wrote(text);
  }

  #flush(): void {
    if (this.#out === '') return;
    const out = this.#out;
    this.#out = '';
    this.#unread = this.#transport.write(out) ? 0 : this.#unread + out.length;
    if (this.#unread > MAX_UNREAD_OCTETS) this.#transport.destroy();
  }

  #expire(): void {
    // A command at work has all the time that it needs; the next wait sets the deadline anew.
    if (this.#state !== 'awaiting') return;
    const reading = this.context.reading;
    if (reading?.isSilent === true) this.#transport.destroy();
    else if (reading !== undefined && this.#parameters.clock.monotonic() >= reading.deadline) {
      const late = this.#finish(receivingTimedOut(), reading.endsData);
      this.#reply({ ...late, disconnect: 'ForceDisconnect' });
    } else {
      this.#reply(shedding(this.context.hostname, 'idle too long'));
    }
  }

  #endIfDrained(): boolean {
    if (this.context.transaction !== undefined || this.context.reading !== undefined) return false;
    this.#say(formatReply(shedding(this.context.hostname, 'shutting down').reply));
    this.#close();
    return true;
  }

  #close(): void {
    if (this.#state === 'closed' || this.#state === 'closing') return;
    this.#state = 'closing';
    this.#deadline.cancel();
    this.#input.clear();
    this.#flush();
    this.#lingering.begin();
  }
}

function closingMode(refusal: Answer): Answer['disconnect'] {
  return refusal.disconnect === 'If421' ? 'ForceDisconnect' : refusal.disconnect;
}

/** Stands in records for a line that is a credential. */
const HIDDEN = Buffer.from('AUTH ***');

/** The line as records show it. The arguments of AUTH are credentials. */
function commandText(line: Buffer): string {
  const text = line.toString();
  const auth = /^\s*AUTH\b(?: +[\w-]+(?= |$))?/i.exec(text);
  if (auth === null || auth[0].length === text.length) return `${text}\r\n`;
  return `${auth[0]} ***\r\n`;
}
