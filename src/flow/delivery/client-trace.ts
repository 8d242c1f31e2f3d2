import { randomUUID } from 'node:crypto';
import type {
  JsonObject,
  MessageHome,
  TlsInfo,
  TracePayload,
  TraceTap,
  Transport,
} from '../../model/index.ts';
import { UNWATCHED } from '../../model/index.ts';
import type { EnvelopeAddress } from '../../protocol/smtp/index.ts';
import type { Candidate } from './candidate.ts';
import type { Command } from './connection.ts';
import { sourceAddressOf } from './proxy-route.ts';

/** What is known of a session before it begins. */
export interface TracedSession {
  pool: string | undefined;
  source: string;
  readyQueue: string;
  /** The host, and those that are tried after it. */
  plan: readonly Pick<Candidate, 'name' | 'address' | 'isProved'>[];
}

/** The message that a session is about to send. */
export interface TracedMessage {
  id: string;
  sender: EnvelopeAddress;
  recipients: readonly EnvelopeAddress[];
  home: Pick<MessageHome, 'name' | 'parts'>;
}

/** Replies end with a line; of one without end no more than this is kept, octets. */
const LONGEST_LINE = 8192;
/** Octets of a message in one event. */
const PIECE = 65_536;
const LF = 0x0a;

/**
 * What one session with one host tells those who watch it. begun → connected → closed, or begun → closed. While nobody
 * watches it knows only who it is.
 */
export class ClientTrace {
  /** UUID of the session. */
  readonly id: string = randomUUID();
  readonly #tap: TraceTap;
  readonly #session: TracedSession;
  readonly #candidate: Candidate;
  #secrets: readonly string[] = [];
  #transport: Transport | undefined;
  #message: JsonObject | undefined;
  #rest: Buffer = Buffer.alloc(0);
  #isOver = false;

  constructor(tap: TraceTap | undefined, session: TracedSession, candidate: Candidate) {
    this.#tap = tap ?? UNWATCHED;
    this.#session = session;
    this.#candidate = candidate;
    if (this.isWatched) this.#emit('BeginSession');
  }

  get isWatched(): boolean {
    return this.#tap.isWatched;
  }

  connected(transport: Transport): void {
    this.#transport = transport;
    this.#isOver = false;
    if (this.isWatched) this.#emit('Connected');
  }

  /** Told once for each connection. */
  closed(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (!this.isWatched) return;
    this.#endText();
    this.#emit('Closed');
  }

  /** `message` is the one that everything is about from now on. */
  obtained(message: TracedMessage): void {
    this.#message = this.isWatched ? metaOf(message) : undefined;
    if (this.isWatched) this.#emit('MessageObtained');
  }

  /** They are in nothing that is told from now on. */
  hide(secrets: readonly string[]): void {
    this.#secrets = secrets;
  }

  note(level: 'ERROR' | 'INFO', message: string): void {
    if (this.isWatched) this.#emit({ Diagnostic: { level, message } });
  }

  secured(tls: TlsInfo): void {
    const { protocolVersion, cipher, peerSubjectName, verified, resumed } = tls;
    const facts = [
      `authenticated: ${verified === true}`,
      `resumed: ${resumed === true}`,
      `subject: ${JSON.stringify(peerSubjectName)}`,
    ];
    this.note('INFO', `STARTTLS handshake -> ${protocolVersion} ${cipher}, ${facts.join(', ')}`);
  }

  /** Ask `isWatched` before. */
  wrote(commands: readonly Command[], chunks: readonly (Buffer | string)[]): void {
    this.#endText();
    if (commands.some(({ line, shown }) => shown !== undefined && shown !== line)) {
      this.#emit({ Write: commands.map(({ line, shown = line }) => shown).join('') });
      return;
    }
    if (chunks.length === 1 && typeof chunks[0] === 'string') this.#emit({ Write: chunks[0] });
    else this.#wroteMessage(chunks);
  }

  /** Ask `isWatched` before. The answer to a QUIT that nobody waits for is not told of any more. */
  read(chunk: Buffer): void {
    if (this.#isOver) return;
    const whole = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const end = whole.lastIndexOf(LF) + 1;
    const cut = whole.length - end > LONGEST_LINE ? whole.length : end;
    this.#rest = Buffer.from(whole.subarray(cut));
    if (cut > 0) this.#emit({ Read: whole.toString('utf8', 0, cut) });
  }

  #endText(): void {
    if (this.#rest.length === 0) return;
    const text = this.#rest.toString();
    this.#rest = Buffer.alloc(0);
    this.#emit({ Read: text });
  }

  /** In pieces of whole lines, as far as lines are not too long. */
  #wroteMessage(chunks: readonly (Buffer | string)[]): void {
    const octets = Buffer.concat(chunks.map((chunk) => Buffer.from(chunk as string)));
    for (let at = 0; at < octets.length; ) {
      const lf = octets.length - at <= PIECE ? octets.length - 1 : octets.lastIndexOf(LF, at + PIECE - 1);
      const end = lf < at ? Math.min(at + PIECE, octets.length) : lf + 1;
      const start = at;
      this.#emit(() => ({ Write: octets.toString('utf8', start, end) }));
      at = end;
    }
  }

  #emit(payload: TracePayload | (() => TracePayload)): void {
    this.#tap.emit(this.#meta(), payload, this.#secrets);
  }

  #meta(): JsonObject {
    const { pool, source, readyQueue, plan } = this.#session;
    const meta: JsonObject = {
      id: this.id,
      egress_source: source,
      ready_queue_name: readyQueue,
      mx_plan: plan.map((host) => ({
        name: host.name,
        addr: host.address,
        ...(host.isProved === true && { is_secure: true }),
      })),
    };
    if (pool !== undefined) meta.egress_pool = pool;
    if (this.#transport !== undefined) {
      meta.source_address = sourceAddressOf(this.#transport).address;
      meta.mx_host = this.#candidate.name;
      meta.mx_address = this.#candidate.address;
    }
    return Object.assign(meta, this.#message);
  }
}

function metaOf({ id, sender, recipients, home }: TracedMessage): JsonObject {
  const { domain, routingDomain, campaign, tenant } = home.parts;
  return {
    message_id: id,
    sender: sender.email,
    recipient: recipients.map(({ email }) => email),
    queue_name: home.name,
    domain,
    ...(routingDomain !== undefined && { routing_domain: routingDomain }),
    ...(campaign !== undefined && { campaign }),
    ...(tenant !== undefined && { tenant }),
  };
}
