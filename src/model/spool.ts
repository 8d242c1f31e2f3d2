import type { JsonObject, MaybePromise } from './json.ts';

/** 32 lower-case hex digits of a version 1 UUID; the embedded time is when the message was created. */
export type MessageId = string;

/** Where a spool keeps one message. Opaque to everybody else, and small: one is held per queued message. */
export interface SpoolEntry {
  readonly id: MessageId;
}

/** The envelope and metadata of a message as the spool keeps them. */
export interface SpooledEnvelope {
  sender: string;
  recipients: string[];
  meta: JsonObject;
  /** As policy wrote it (set_scheduling); absent when there is none. */
  schedule?: JsonObject;
}

/** How far delivery of a message has come; kept so that a restart does not send everything at once. */
export interface DeliveryProgress {
  attempts: number;
  /** Milliseconds since the epoch; 0 when the message is due at once. */
  due: number;
}

export interface EnumeratedMessage {
  entry: SpoolEntry;
  envelope: SpooledEnvelope;
  progress: DeliveryProgress;
  /** Size of the body in bytes, known without reading it. */
  size: number;
}

export interface EnumerationSummary {
  messages: number;
  /** Records that could not be read and were set aside. */
  quarantined: number;
}

export class SpoolWriteError extends Error {}

/** What `loadEnvelope` or `loadBody` asked for is damaged for good. A copy has been set aside; `remove` the entry. */
export class SpoolDamageError extends Error {}

/**
 * Keeps mail. Every implementation passes test/contract/spool.ts.
 * An entry belongs to the spool that made it and is dead after `remove`.
 */
export interface Spool {
  /** Resolves when envelope and body are on disk. Rejects with SpoolWriteError; then nothing was kept. */
  store(id: MessageId, envelope: SpooledEnvelope, body: Buffer): Promise<SpoolEntry>;
  /**
   * Replaces the envelope and metadata, and the body when one is given. Resolves when that is on disk; when it
   * rejects, the message is as it was.
   */
  updateEnvelope(entry: SpoolEntry, envelope: SpooledEnvelope, body?: Buffer): Promise<void>;
  /** Notes attempts and due time. Written with the next group; not waited for. */
  saveProgress(entry: SpoolEntry, progress: DeliveryProgress): void;
  loadEnvelope(entry: SpoolEntry): Promise<SpooledEnvelope>;
  loadBody(entry: SpoolEntry): Promise<Buffer>;
  /** Forgets the message. Written with the next group; not waited for. */
  remove(entry: SpoolEntry): void;
  /**
   * Resolves when every removal asked for so far is with the operating system: killing the process no longer brings
   * those messages back. While writing fails it resolves all the same.
   */
  removalsWritten(): Promise<void>;
  /**
   * Visits every message that was there when the spool was opened, reading no bodies, in slices that leave
   * the event loop free. Messages stored meanwhile are not visited.
   */
  enumerate(visit: (message: EnumeratedMessage) => MaybePromise<void>): Promise<EnumerationSummary>;
  /** Writes out what is pending. Rejects when that fails. */
  flush(): Promise<void>;
  /** Gives back what space it can; resolves when that is done. Absent where nothing is kept back. */
  compact?(): Promise<void>;
  close(): Promise<void>;
}
