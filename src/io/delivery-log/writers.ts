import { resolve } from 'node:path';
import type { Clock, Diagnostics } from '../../model/index.ts';
import type { LocalLogsOptions } from '../../model/options/index.ts';
import type { LineBatch } from './record-log.ts';
import { createSegmentWriter, type SegmentWriter } from './segment-writer.ts';

/** The files of every logger: one segment writer for each directory and suffix, made on the first line. */
export class DeliveryLogWriters {
  readonly #loggers: readonly LocalLogsOptions[];
  readonly #clock: Clock;
  readonly #diagnostics: Diagnostics;
  readonly #writers = new Map<string, SegmentWriter>();

  constructor(loggers: readonly LocalLogsOptions[], clock: Clock, diagnostics: Diagnostics) {
    this.#loggers = loggers;
    this.#clock = clock;
    this.#diagnostics = diagnostics;
    // The directory is made now, so that one that cannot be written fails the start and not the first mail.
    for (const logger of loggers.keys()) this.#writer(logger, '');
  }

  /** Appends lines; resolves when there is room for more. */
  async append(batches: readonly LineBatch[]): Promise<void> {
    await Promise.all(batches.map(({ logger, suffix, lines }) => this.#writer(logger, suffix).append(lines)));
  }

  /** Writes out what waits and finishes every segment. */
  async close(): Promise<void> {
    await Promise.all([...this.#writers.values()].map((writer) => writer.close()));
  }

  #writer(logger: number, suffix: string): SegmentWriter {
    const options = this.#loggers[logger]!;
    // operations.md 10.1: the same directory and suffix are the same segment.
    const key = `${resolve(options.log_dir)} ${suffix}`;
    let writer = this.#writers.get(key);
    if (writer === undefined) {
      writer = createSegmentWriter({
        logDir: options.log_dir,
        suffix,
        maxFileSize: options.max_file_size,
        maxSegmentDuration: options.max_segment_duration,
        compressionLevel: options.compression_level,
        clock: this.#clock,
        diagnostics: this.#diagnostics,
      });
      this.#writers.set(key, writer);
    }
    return writer;
  }
}
