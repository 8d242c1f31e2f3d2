import { closeSync, openSync, writeSync } from 'node:fs';
import type { FaultAction } from './sink-faults.ts';

/** A connection from the greeting of its peer on. Times in ms since the epoch, with fractions. */
export interface SinkVisit {
  /** Port of the listener. */
  port: number;
  /** The name in the first EHLO or HELO. */
  client: string;
  begun: number;
  ended: number;
}

/** The end of a message: what the sink knows of it, and whether it took it. */
export interface SinkEnd {
  /** Port of the listener. */
  port: number;
  /** When, in ms since the epoch, with fractions. */
  at: number;
  /** The name that the peer greeted with. */
  client: string;
  /** The id in the topmost Received header; null where there is none. */
  id: string | null;
  sender: string;
  recipients: string[];
  size: number;
  secure: boolean;
  /** What the sink did in place of accepting; null when it accepted. */
  fault: FaultAction | null;
}

/** Octets of a message in which its Received header is looked for. */
export const HEAD = 2048;
const RECEIVED_ID = /^Received:[^\n]*(?:\n[ \t][^\n]*)*?\bid ([0-9a-f]{32})\b/m;

/** The id that the sender gave the message; null where there is none. */
export function idIn(body: Buffer): string | null {
  return RECEIVED_ID.exec(body.subarray(0, HEAD).toString('latin1'))?.[1] ?? null;
}

/** Finer than the clock of the machine, so that what follows at once is told from what goes on side by side. */
export function timeNow(): number {
  return performance.timeOrigin + performance.now();
}

/** Lines of JSON, each in the file before `write` returns: whoever has the reply to a message finds its line. */
export class RecordFile {
  #file: number | undefined;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  readonly write = (line: SinkEnd | SinkVisit): void => {
    if (this.#file !== undefined) writeSync(this.#file, `${JSON.stringify(line)}\n`);
  };

  /** What comes later is left out. */
  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}
