import { ConnectionMeta, type TraceTap, type Transport } from '../../model/index.ts';
import { formatHostPort } from '../../protocol/ip/index.ts';
import { formatReply, shedding } from './answer.ts';
import { AuthBackoff } from './auth-backoff.ts';
import { LingeringClose } from './lingering-close.ts';
import type { SmtpServerParameters } from './parameters.ts';
import { SmtpSession } from './session.ts';
import { SessionTrace } from './session-trace.ts';

/** The sessions of one listener. Whoever listens gives it the connections (io/net `listen`). */
export class SmtpServer {
  readonly #parameters: SmtpServerParameters;
  readonly #authBackoff: AuthBackoff;
  readonly #sessions = new Set<SmtpSession>();
  #isStopping = false;
  #drained: (() => void)[] = [];

  constructor(parameters: SmtpServerParameters) {
    this.#parameters = parameters;
    this.#authBackoff = new AuthBackoff(parameters.clock);
  }

  /** Sessions that are open. */
  get connectionCount(): number {
    return this.#sessions.size;
  }

  /** Starts a session, or says 421 and why (operations.md 14). */
  accept(transport: Transport): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      this.#refuse(transport, refusal);
      return;
    }
    const session = new SmtpSession(this.#parameters, this.#authBackoff, transport, () =>
      this.#forget(session),
    );
    this.#sessions.add(session);
    this.#parameters.metrics?.connectionOpened();
    session.start();
  }

  /**
   * New connections hear `shutting down`, and so do sessions as soon as they are outside of a transaction.
   * Resolves when the last one has gone, which client_timeout and data_processing_timeout bound.
   */
  stop(): Promise<void> {
    this.#isStopping = true;
    for (const session of [...this.#sessions]) session.drain();
    if (this.#sessions.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  get #hostname(): string {
    return this.#parameters.options.hostname ?? this.#parameters.hostname;
  }

  #refusal(): string | undefined {
    if (this.#isStopping) return 'shutting down';
    const refusal = this.#parameters.refusal();
    if (refusal !== undefined) return refusal;
    if (this.#sessions.size < this.#parameters.options.max_connections) return undefined;
    return 'too many concurrent sessions. Try later';
  }

  #refuse(transport: Transport, reason: string): void {
    this.#parameters.metrics?.connectionDenied();
    const lingering = new LingeringClose(this.#parameters.clock, transport);
    transport.receive({ data: () => {}, end: () => {}, closed: () => lingering.cancel() });
    const text = formatReply(shedding(this.#hostname, reason).reply);
    transport.write(text);
    if (this.#parameters.trace?.isWatched === true)
      this.#traceRefusal(this.#parameters.trace, transport, text);
    lingering.begin();
  }

  #traceRefusal(tap: TraceTap, { remote, local }: Transport, text: string): void {
    const meta = new ConnectionMeta();
    meta.set('reception_protocol', 'ESMTP');
    meta.set('received_from', formatHostPort(remote.address, remote.port));
    meta.set('received_via', formatHostPort(local.address, local.port));
    const trace = new SessionTrace(tap, meta);
    trace.connected();
    trace.wrote(text);
    trace.closed();
  }

  #forget(session: SmtpSession): void {
    this.#sessions.delete(session);
    this.#parameters.metrics?.connectionClosed();
    if (this.#sessions.size > 0) return;
    const drained = this.#drained;
    this.#drained = [];
    for (const resolve of drained) resolve();
  }
}
