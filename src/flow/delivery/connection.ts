import type {
  Clock,
  HistogramSeries,
  Timer,
  TlsClientOptions,
  TlsInfo,
  Transport,
} from '../../model/index.ts';
import { type Reply, ReplyParser } from '../../protocol/smtp/index.ts';
import type { ClientTrace } from './client-trace.ts';

/** How long a QUIT may wait for its answer, in milliseconds. */
export const QUIT_TIMEOUT = 2000;

/** A line to send and how long, in milliseconds, its reply may take once it is the next one due. */
export interface Command {
  /** With its CRLF; '' for the banner, which nobody asks for. */
  line: string;
  timeout: number;
  /** Takes how long the reply took, from the exchange's beginning or the last reply that was measured. */
  took?: HistogramSeries | undefined;
  /** In place of `line` in replies and errors, when the line has a secret. */
  shown?: string;
}

/** Why replies stayed away. `timeout` is the peer's silence; `closed` everything that ends a connection. */
export interface ConnectionFailure {
  kind: 'timeout' | 'closed';
  text: string;
}

/** The replies that came, in the order of their commands; fewer than the commands exactly when `failure` is set. */
export interface Exchange {
  replies: Reply[];
  failure: ConnectionFailure | undefined;
}

/**
 * The client's end of one SMTP connection: writes, and pairs replies with commands.
 * idle → exchanging → idle … → gone. An exchange always comes to an end: by its last reply, or with a failure
 * when a reply is late, is no SMTP, or the connection is lost; after a failure the connection is gone. A reply
 * that nobody waits for (421 from a server that shuts down) or an end of stream while idle also makes it gone.
 */
export class SmtpConnection {
  readonly transport: Transport;
  /** Called once when an idle connection goes away by itself. */
  onGone: (() => void) | undefined;
  readonly #clock: Clock;
  #parser = new ReplyParser();
  #commands: readonly Command[] = [];
  #replies: Reply[] = [];
  #settle: ((exchange: Exchange) => void) | undefined;
  #timer: Timer | undefined;
  #failure: ConnectionFailure | undefined;
  #farewell: Reply | undefined;
  #listening = false;
  /** Monotonic milliseconds. */
  #measuredAt = 0;
  #securing = false;
  readonly #trace: ClientTrace | undefined;

  constructor(transport: Transport, clock: Clock, trace?: ClientTrace) {
    this.transport = transport;
    this.#clock = clock;
    this.#trace = trace;
    trace?.connected(transport);
  }

  get gone(): boolean {
    return this.#failure !== undefined;
  }

  /** The reply that came while nobody waited for one. */
  get farewell(): Reply | undefined {
    return this.#farewell;
  }

  /** Sends `chunks` in one write and waits for the replies to `commands`. Never rejects. */
  exchange(commands: readonly Command[], chunks: readonly (Buffer | string)[]): Promise<Exchange> {
    if (this.#failure !== undefined) return Promise.resolve({ replies: [], failure: this.#failure });
    this.#commands = commands;
    this.#replies = [];
    this.#measuredAt = this.#clock.monotonic();
    const exchange = new Promise<Exchange>((resolve) => {
      this.#settle = resolve;
    });
    this.#expect(commands[0]!);
    this.#listen();
    if (this.#trace?.isWatched === true && chunks.length > 0) this.#trace.wrote(commands, chunks);
    if (chunks.length === 1) this.transport.write(chunks[0]!);
    else if (chunks.length > 1) {
      this.transport.cork();
      for (const chunk of chunks) this.transport.write(chunk);
      this.transport.uncork();
    }
    return exchange;
  }

  /**
   * The TLS handshake after a 220 to STARTTLS. Everything that came in plain text is forgotten; octets beyond
   * the 220 have already made the connection gone (CVE-2011-0411). Rejects with the reason, and with
   * HandshakeTimeout after `options.timeout` milliseconds; the connection is then gone.
   */
  async secure(options: TlsClientOptions): Promise<TlsInfo> {
    this.#securing = true;
    let timer: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = this.#clock.after(options.timeout, () => reject(new HandshakeTimeout()));
    });
    try {
      // The transport's own timer is only there for the case that this one is gone.
      const secured = this.transport.secure({ ...options, timeout: options.timeout * 2 });
      const tls = await Promise.race([secured, late]);
      this.#parser = new ReplyParser();
      this.#securing = false;
      return tls;
    } catch (error) {
      this.#lost((error as Error).message);
      throw error;
    } finally {
      timer?.cancel();
    }
  }

  /** True when octets are there that belong to no reply yet. */
  get hasUnreadInput(): boolean {
    return !this.#parser.idle;
  }

  /** Closes at once; what is under way fails with `text`. */
  abort(text: string): void {
    this.#lost(text);
  }

  /** Sends what is pending, then closes. */
  close(): void {
    if (this.#failure === undefined) this.#failure = { kind: 'closed', text: 'connection closed' };
    this.#timer?.cancel();
    this.onGone = undefined;
    this.#trace?.closed();
    this.transport.end();
  }

  /** Begins with the first exchange, because the banner may be there already. */
  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.transport.receive({
      data: (chunk) => this.#arrived(chunk),
      end: () => this.#lost('the peer closed the connection'),
      closed: (error) => this.#lost(error?.message ?? 'the peer closed the connection'),
    });
  }

  #arrived(chunk: Buffer): void {
    if (this.#failure !== undefined) return;
    if (this.#trace?.isWatched === true) this.#trace.read(chunk);
    const before = this.#replies.length;
    try {
      this.#parser.push(chunk, (reply) => this.#replied(reply));
    } catch (error) {
      this.#lost((error as Error).message);
      return;
    }
    // A deadline is for a reply, not for a read: half a reply does not prolong it.
    if (this.#settle !== undefined && this.#replies.length > before) {
      this.#expect(this.#commands[this.#replies.length]!);
    }
  }

  #replied(reply: Reply): void {
    const settle = this.#settle;
    if (this.#failure !== undefined) return;
    if (settle === undefined) {
      this.#farewell = reply;
      this.#lost(`unexpected reply ${reply.code} while idle`);
      return;
    }
    const { line, shown = line, took } = this.#commands[this.#replies.length]!;
    if (took !== undefined) {
      const now = this.#clock.monotonic();
      took.took(now - this.#measuredAt);
      this.#measuredAt = now;
    }
    reply.command = shown === '' ? null : shown;
    this.#replies.push(reply);
    if (this.#replies.length < this.#commands.length) return;
    this.#settle = undefined;
    this.#timer?.cancel();
    settle({ replies: this.#replies, failure: undefined });
  }

  #expect(command: Command): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.after(command.timeout, () => {
      const { line, shown = line } = command;
      const what = line === '' ? 'the initial banner' : `response to ${shown.trimEnd()}`;
      this.#fail({ kind: 'timeout', text: `Timed Out waiting ${command.timeout / 1000}s for ${what}` });
    });
  }

  #lost(text: string): void {
    this.#fail({ kind: 'closed', text });
  }

  #fail(failure: ConnectionFailure): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#timer?.cancel();
    this.#trace?.closed();
    this.transport.destroy();
    const settle = this.#settle;
    this.#settle = undefined;
    if (settle !== undefined) settle({ replies: this.#replies, failure });
    else if (!this.#securing) this.onGone?.();
  }
}

export class HandshakeTimeout extends Error {
  constructor() {
    super('TLS handshake timed out');
  }
}
