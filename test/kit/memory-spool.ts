import type {
  DeliveryProgress,
  EnumeratedMessage,
  EnumerationSummary,
  MaybePromise,
  MessageId,
  Spool,
  SpoolEntry,
  SpooledEnvelope,
} from '../../src/model/index.ts';
import { SpoolWriteError } from '../../src/model/index.ts';

interface KeptMessage {
  envelope: string;
  body: Buffer;
  progress: DeliveryProgress;
}

/** What MemorySpools share so that one can be "restarted": hand it to the next. */
export type MemorySpoolContent = Map<MessageId, KeptMessage>;

/** A spool for tests of what is above it. Set `failing` to have writes rejected. */
export class MemorySpool implements Spool {
  readonly content: MemorySpoolContent;
  failing = false;
  readonly #found: MessageId[];

  constructor(content: MemorySpoolContent = new Map()) {
    this.content = content;
    this.#found = [...content.keys()];
  }

  async store(id: MessageId, envelope: SpooledEnvelope, body: Buffer): Promise<SpoolEntry> {
    if (this.failing) throw new SpoolWriteError('writing to the spool failed: the test says so');
    const text = JSON.stringify(envelope);
    this.content.set(id, { envelope: text, body: Buffer.from(body), progress: { attempts: 0, due: 0 } });
    return { id };
  }

  async updateEnvelope(entry: SpoolEntry, envelope: SpooledEnvelope, body?: Buffer): Promise<void> {
    if (this.failing) throw new SpoolWriteError('writing to the spool failed: the test says so');
    const kept = this.content.get(entry.id);
    if (kept === undefined) return;
    kept.envelope = JSON.stringify(envelope);
    if (body !== undefined) kept.body = Buffer.from(body);
  }

  saveProgress(entry: SpoolEntry, progress: DeliveryProgress): void {
    const kept = this.content.get(entry.id);
    if (kept !== undefined) kept.progress = { ...progress };
  }

  async loadEnvelope(entry: SpoolEntry): Promise<SpooledEnvelope> {
    return JSON.parse(this.#kept(entry).envelope) as SpooledEnvelope;
  }

  async loadBody(entry: SpoolEntry): Promise<Buffer> {
    return Buffer.from(this.#kept(entry).body);
  }

  async removalsWritten(): Promise<void> {}

  remove(entry: SpoolEntry): void {
    this.content.delete(entry.id);
  }

  async enumerate(visit: (message: EnumeratedMessage) => MaybePromise<void>): Promise<EnumerationSummary> {
    let messages = 0;
    for (const id of this.#found) {
      const kept = this.content.get(id);
      if (kept === undefined) continue;
      messages++;
      const envelope = JSON.parse(kept.envelope) as SpooledEnvelope;
      await visit({ entry: { id }, envelope, progress: { ...kept.progress }, size: kept.body.length });
    }
    return { messages, quarantined: 0 };
  }

  flush(): Promise<void> {
    return this.failing
      ? Promise.reject(new SpoolWriteError('writing to the spool failed: the test says so'))
      : Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #kept(entry: SpoolEntry): KeptMessage {
    const kept = this.content.get(entry.id);
    if (kept === undefined) throw new Error(`no message ${entry.id}`);
    return kept;
  }
}
