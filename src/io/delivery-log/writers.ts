import { resolve } from 'node:path';
import type { Clock, Diagnostics } from '../../model/index.ts';
import type { LocalLogsOptions } from '../../model/options/index.ts';
import type { LineBatch } from './line-batches.ts';
import { createSegmentWriter, type SegmentWriter } from './segment-writer.ts';

/** What is known of the files of one logger. */
export interface LoggedFiles
  extends Pick<
    LocalLogsOptions,
    'log_dir' | 'max_file_size' | 'max_segment_duration' | 'compression_level' | 'per_record'
  > {
  /** Before every file name; files without it are of others. Default none. */
  prefix?: string;
}

/** The files of every logger: one segment writer for each directory and suffix, all made at the start. */
export class DeliveryLogWriters {
  readonly #loggers: readonly LoggedFiles[];
  readonly #clock: Clock;
  readonly #diagnostics: Diagnostics;
  readonly #writers = new Map<string, SegmentWriter>();

  constructor(loggers: readonly LoggedFiles[], clock: Clock, diagnostics: Diagnostics) {
    this.#loggers = loggers;
    this.#clock = clock;
    this.#diagnostics = diagnostics;
    // Now, so that a directory that cannot be used fails the start and not the first mail.
    for (const [logger, options] of loggers.entries()) {
      const entries = Object.values(options.per_record);
      // Headers first: of several entries with one file, the first that has a header gives it.
      const byHeader = entries.toSorted(
        (a, b) => Number(b.segment_header !== '') - Number(a.segment_header !== ''),
      );
      for (const { log_dir, suffix, segment_header } of byHeader) {
        this.#writer(logger, log_dir ?? options.log_dir, suffix ?? '', segment_header);
      }
      this.#writer(logger, options.log_dir, '');
    }
  }

  /** Appends lines; resolves when there is room for more. Does not reject: what cannot be written now is kept. */
  async append(batches: readonly LineBatch[]): Promise<void> {
    await Promise.all(
      batches.map(({ logger, directory, suffix, lines }) =>
        this.#writer(logger, directory, suffix).append(lines),
      ),
    );
  }

  /** Writes out what waits and finishes every segment. */
  async close(): Promise<void> {
    await Promise.all([...this.#writers.values()].map((writer) => writer.close()));
  }

  #writer(logger: number, directory: string, suffix: string, header = ''): SegmentWriter {
    const options = this.#loggers[logger]!;
    const { prefix = '' } = options;
    // operations.md 10.1: the same directory and suffix are the same segment.
    const key = `${resolve(directory)} ${prefix} ${suffix}`;
    let writer = this.#writers.get(key);
    if (writer === undefined) {
      writer = createSegmentWriter({
        logDir: directory,
        prefix,
        suffix,
        header,
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
