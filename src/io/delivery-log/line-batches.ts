import type { Clock, Timer } from '../../model/index.ts';

/** Lines on their way to one file of one logger. */
export interface LineBatch {
  /** Index of the logger, in the order of configure_local_logs; the audit log comes after those. */
  logger: number;
  /** Its directory, as the policy wrote it; '' for one that has an output. */
  directory: string;
  suffix: string;
  /** Newline-terminated text. */
  lines: string;
  /** How many records they are. */
  records: number;
}

/** Batches are sent this often, ms. */
const SEND_EVERY = 50;
/** Or when this many characters wait. */
const SEND_AT = 256 * 1024;

export interface LineBatchesParts {
  clock: Clock;
  /** Takes batches; resolves when the writer has room for more. */
  send: (batches: LineBatch[]) => Promise<void>;
}

/** Lines of a shard for the writer of the process, many at a time. */
export class LineBatches {
  readonly #parts: LineBatchesParts;
  #batches = new Map<string, LineBatch>();
  #waiting = { characters: 0, lines: 0 };
  #sent = { characters: 0, lines: 0 };
  /** Lines of each logger that the writer has not taken. */
  readonly #ofLogger: number[] = [];
  #taken: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;

  constructor({ clock, send }: LineBatchesParts) {
    this.#parts = { clock, send };
  }

  /** How much is written here that the writer has not taken. */
  get characters(): number {
    return this.#waiting.characters + this.#sent.characters;
  }

  get lines(): number {
    return this.#waiting.lines + this.#sent.lines;
  }

  /** Those of one logger. */
  linesOf(logger: number): number {
    return this.#ofLogger[logger] ?? 0;
  }

  /** Resolves when the writer has taken all that was sent. */
  get taken(): Promise<void> {
    return this.#taken;
  }

  add(logger: number, directory: string, suffix: string, line: string): void {
    const key = `${logger} ${suffix} ${directory}`;
    const batch = this.#batches.get(key);
    if (batch === undefined) this.#batches.set(key, { logger, directory, suffix, lines: line, records: 1 });
    else {
      batch.lines += line;
      batch.records++;
    }
    this.#ofLogger[logger] = this.linesOf(logger) + 1;
    this.#waiting.characters += line.length;
    this.#waiting.lines++;
    if (this.#waiting.characters >= SEND_AT) this.#send();
    else this.#timer ??= this.#parts.clock.after(SEND_EVERY, () => this.#send());
  }

  /** Passes on what waits; resolves when the writer has it. */
  async flush(): Promise<void> {
    this.#send();
    await this.#taken;
  }

  #send(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#waiting.lines === 0) return;
    const batches = [...this.#batches.values()];
    const { characters, lines } = this.#waiting;
    this.#batches = new Map();
    this.#waiting = { characters: 0, lines: 0 };
    this.#sent.characters += characters;
    this.#sent.lines += lines;
    const taken = this.#parts.send(batches).finally(() => {
      this.#sent.characters -= characters;
      this.#sent.lines -= lines;
      for (const { logger, records } of batches) this.#ofLogger[logger]! -= records;
    });
    this.#taken = Promise.all([this.#taken, taken]).then(() => {});
  }
}
