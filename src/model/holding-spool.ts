import type { MaybePromise } from './json.ts';
import { type MemoryState, PLENTY } from './memory.ts';
import type {
  DeliveryProgress,
  EnumeratedMessage,
  EnumerationSummary,
  MessageId,
  Spool,
  SpoolEntry,
  SpooledEnvelope,
} from './spool.ts';

/** Bodies that may be held in memory alone, in bytes; beyond, messages go to disk at once. */
const HELD_BYTES = 256 * 1024 * 1024;

/** A message that only memory has, until there is a reason to write it. */
class HeldEntry implements SpoolEntry {
  readonly id: MessageId;
  envelope: SpooledEnvelope;
  body: Buffer | undefined;
  /** Set once the disk has it. */
  entry: SpoolEntry | undefined;
  writing: Promise<SpoolEntry> | undefined;
  isRemoved = false;

  constructor(id: MessageId, envelope: SpooledEnvelope, body: Buffer) {
    this.id = id;
    this.envelope = envelope;
    this.body = body;
  }
}

/**
 * A spool in front of which messages can be held (`deferred_spool`): they go to disk when their delivery did not
 * work out at once, or when the spool is flushed or closed. Everything else it hands on.
 */
export class HoldingSpool implements Spool {
  readonly #spool: Spool;
  readonly #memory: MemoryState;
  readonly #held = new Set<HeldEntry>();
  #heldBytes = 0;

  constructor(spool: Spool, memory: MemoryState = PLENTY) {
    this.#spool = spool;
    this.#memory = memory;
  }

  /** Takes a message without writing it; undefined when too much is held already, or memory is low. */
  hold(id: MessageId, envelope: SpooledEnvelope, body: Buffer): SpoolEntry | undefined {
    if (this.#memory.level !== 'enough' || this.#heldBytes + body.length > HELD_BYTES) return undefined;
    const held = new HeldEntry(id, structuredClone(envelope), body);
    this.#held.add(held);
    this.#heldBytes += body.length;
    return held;
  }

  store(id: MessageId, envelope: SpooledEnvelope, body: Buffer): Promise<SpoolEntry> {
    return this.#spool.store(id, envelope, body);
  }

  async updateEnvelope(entry: SpoolEntry, envelope: SpooledEnvelope, body?: Buffer): Promise<void> {
    if (entry instanceof HeldEntry) entry.envelope = structuredClone(envelope);
    await this.#spool.updateEnvelope(await this.#written(entry), envelope, body);
  }

  /** A message that is held is written now: its attempt failed. One that cannot be written stays in memory. */
  saveProgress(entry: SpoolEntry, progress: DeliveryProgress): void {
    const known = onDisk(entry);
    if (known !== undefined) this.#spool.saveProgress(known, progress);
    else
      this.#written(entry).then(
        (written) => {
          if (!(entry as HeldEntry).isRemoved) this.#spool.saveProgress(written, progress);
        },
        () => {},
      );
  }

  async loadEnvelope(entry: SpoolEntry): Promise<SpooledEnvelope> {
    const known = onDisk(entry);
    return known === undefined
      ? structuredClone((entry as HeldEntry).envelope)
      : this.#spool.loadEnvelope(known);
  }

  async loadBody(entry: SpoolEntry): Promise<Buffer> {
    const known = onDisk(entry);
    return known === undefined ? (entry as HeldEntry).body! : this.#spool.loadBody(known);
  }

  remove(entry: SpoolEntry): void {
    const known = onDisk(entry);
    if (known !== undefined) {
      this.#spool.remove(known);
      return;
    }
    const held = entry as HeldEntry;
    held.isRemoved = true;
    held.writing?.then(
      (written) => this.#spool.remove(written),
      () => {},
    );
    this.#release(held);
  }

  removalsWritten(): Promise<void> {
    return this.#spool.removalsWritten();
  }

  enumerate(visit: (message: EnumeratedMessage) => MaybePromise<void>): Promise<EnumerationSummary> {
    return this.#spool.enumerate(visit);
  }

  async flush(): Promise<void> {
    await this.#writeHeld();
    await this.#spool.flush();
  }

  /** What is held and cannot be written is lost; that rejects, after the spool is closed. */
  async close(): Promise<void> {
    try {
      await this.#writeHeld();
    } finally {
      await this.#spool.close();
    }
  }

  async #writeHeld(): Promise<void> {
    const results = await Promise.allSettled([...this.#held].map((held) => this.#written(held)));
    const failure = results.find((result) => result.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }

  async #written(entry: SpoolEntry): Promise<SpoolEntry> {
    const known = onDisk(entry);
    if (known !== undefined) return known;
    const held = entry as HeldEntry;
    held.writing ??= this.#spool.store(held.id, held.envelope, held.body!).then(
      (written) => {
        held.entry = written;
        this.#release(held);
        return written;
      },
      (error) => {
        // The next reason to write tries again.
        held.writing = undefined;
        throw error;
      },
    );
    return held.writing;
  }

  #release(held: HeldEntry): void {
    if (!this.#held.delete(held)) return;
    this.#heldBytes -= held.body!.length;
    held.body = undefined;
  }
}

function onDisk(entry: SpoolEntry): SpoolEntry | undefined {
  return entry instanceof HeldEntry ? entry.entry : entry;
}
