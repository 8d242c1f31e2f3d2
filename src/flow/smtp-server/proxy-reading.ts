import type { MaybePromise } from '../../model/index.ts';
import { type ProxyHeader, parseProxyHeader } from '../../protocol/proxy/index.ts';
import { type Answer, DROP } from './answer.ts';
import type { Reading, SessionContext } from './context.ts';

/** The PROXY header that every connection to a listener with `require_proxy_protocol` starts with. */
export class ProxyReading implements Reading {
  readonly deadline: number;
  readonly endsData = false;
  readonly isSilent = true;
  readonly #context: SessionContext;
  readonly #accepted: () => MaybePromise<Answer>;
  #octets: Buffer = Buffer.alloc(0);
  #header: ProxyHeader = { kind: 'incomplete' };

  /** `accepted` goes on with the session once it is known where it is from. */
  constructor(context: SessionContext, accepted: () => MaybePromise<Answer>) {
    this.#context = context;
    this.#accepted = accepted;
    this.deadline = context.parameters.clock.monotonic() + context.options.client_timeout;
  }

  get isComplete(): boolean {
    return this.#header.kind !== 'incomplete';
  }

  feed(chunk: Buffer): number {
    const before = this.#octets.length;
    // The parser never waits for more than a few kilobytes.
    this.#octets = Buffer.concat([this.#octets, chunk]);
    this.#header = parseProxyHeader(this.#octets);
    return this.#header.kind === 'header' ? this.#header.length - before : chunk.length;
  }

  /** What sends no header is no proxy of ours, and hears nothing. */
  complete(): MaybePromise<Answer> {
    if (this.#header.kind !== 'header') return DROP;
    const { addresses } = this.#header;
    if (addresses !== undefined) this.#context.readdress(addresses.source, addresses.destination);
    return this.#accepted();
  }
}
