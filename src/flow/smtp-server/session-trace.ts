import type {
  ConnectionMeta,
  Json,
  MessageDisposition,
  PolicyResult,
  ReceptionTrace,
  TracePayload,
  TraceTap,
} from '../../model/index.ts';
import { ListenerDomain } from '../../model/options/index.ts';
import type { Reading } from './context.ts';

/** Half a line of a message is told with the rest of it, unless there is more of it than this, octets. */
const LONGEST_LINE = 8192;
const LF = 0x0a;
const DEEPEST = 8;

/** What one session tells those who watch it. Made when somebody watches. */
export class SessionTrace implements ReceptionTrace {
  readonly #tap: TraceTap;
  readonly #meta: ConnectionMeta;
  /** What the client proved to be who it is with. */
  readonly #secrets: string[] = [];
  #rest: Buffer = Buffer.alloc(0);

  constructor(tap: TraceTap, meta: ConnectionMeta) {
    this.#tap = tap;
    this.#meta = meta;
  }

  connected(): void {
    this.#emit('Connected');
  }

  closed(): void {
    this.#endText();
    this.#emit('Closed');
  }

  /** A line without what is secret in it, and with its CRLF. */
  read(text: string): void {
    this.#emit({ Read: text });
  }

  wrote(text: string): void {
    this.#endText();
    this.#emit({ Write: text });
  }

  note(level: 'ERROR' | 'WARN' | 'INFO', message: string): void {
    this.#emit({ Diagnostic: { level, message } });
  }

  /** What policy made of an event. */
  callback(name: string, result: PolicyResult): void {
    this.#endText();
    const value = result.kind === 'values' ? jsonOf(result.values[0]) : null;
    this.#emit({ Callback: { name, result: value, error: errorOf(result) } });
  }

  disposed(disposition: MessageDisposition): void {
    this.#emit({ MessageDisposition: disposition });
  }

  /** It is in nothing that is told from now on. */
  hide(...secrets: string[]): void {
    this.#secrets.push(...secrets);
  }

  /** The reading, with what it takes told in whole lines. */
  reading(reading: Reading): Pick<Reading, 'isComplete' | 'feed'> {
    return {
      get isComplete() {
        return reading.isComplete;
      },
      feed: (chunk) => {
        const taken = reading.feed(chunk);
        this.#text(chunk.subarray(0, taken));
        if (reading.isComplete) this.#endText();
        return taken;
      },
    };
  }

  #text(octets: Buffer): void {
    const whole = this.#rest.length === 0 ? octets : Buffer.concat([this.#rest, octets]);
    const end = whole.lastIndexOf(LF) + 1;
    const cut = whole.length - end > LONGEST_LINE ? whole.length : end;
    if (cut > 0) this.#emit(() => ({ Read: whole.toString('utf8', 0, cut) }));
    this.#rest = Buffer.from(whole.subarray(cut));
  }

  #endText(): void {
    if (this.#rest.length === 0) return;
    const text = this.#rest.toString();
    this.#rest = Buffer.alloc(0);
    this.#emit({ Read: text });
  }

  #emit(payload: TracePayload | (() => TracePayload)): void {
    this.#tap.emit(this.#meta.values, payload, this.#secrets);
  }
}

function errorOf(result: PolicyResult): string | null {
  if (result.kind === 'reject') return `${result.code} ${result.text}`;
  return result.kind === 'error' ? result.message : null;
}

/** What policy returned, as far as JSON can say it. */
function jsonOf(value: unknown, depth = 0): Json {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'object':
      break;
    default:
      return value === undefined ? null : String(value);
  }
  if (value === null) return null;
  if (depth >= DEEPEST) return '…';
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (value instanceof ListenerDomain) return jsonOf(value.options, depth);
  if (Array.isArray(value)) return value.map((one) => jsonOf(one, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return String(value);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, jsonOf(one, depth + 1)]));
}
