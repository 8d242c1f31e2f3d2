import { resolve } from 'node:path';
import type { Clock, Diagnostics } from '../../model/index.ts';
import type { LocalLogsOptions, PlainLogsOptions } from '../../model/options/index.ts';
import type { LineBatch } from './line-batches.ts';
import type { LineWriter } from './line-writer.ts';
import { PlainFile } from './plain-file.ts';
import { createSegmentWriter } from './segment-writer.ts';
import { StandardOutput } from './standard-output.ts';

/** Names of standard output in `output`. */
const STANDARD_OUTPUT = ['stdout', '-', '/dev/stdout'];

/** What is known of the files of one logger of segments. */
export interface LoggedFiles
  extends Pick<
    LocalLogsOptions,
    'log_dir' | 'max_file_size' | 'max_segment_duration' | 'compression_level' | 'per_record'
  > {
  /** Before every file name; files without it are of others. Default none. */
  prefix?: string;
}

/** Of one logger: in segments, or on one output. */
export type LoggerFiles = LoggedFiles | Pick<PlainLogsOptions, 'output'>;

/** The files of every logger: one writer for each directory and suffix, or output, all made at the start. */
export class DeliveryLogWriters {
  readonly #loggers: readonly LoggerFiles[];
  readonly #clock: Clock;
  readonly #diagnostics: Diagnostics;
  readonly #writers = new Map<string, LineWriter>();

  constructor(loggers: readonly LoggerFiles[], clock: Clock, diagnostics: Diagnostics) {
    this.#loggers = loggers;
    this.#clock = clock;
    this.#diagnostics = diagnostics;
    // Now, so that a directory that cannot be used fails the start and not the first mail.
    for (const [logger, options] of loggers.entries()) {
      if ('output' in options) this.#writer(logger, '', '');
      else this.#makeSegmentWriters(logger, options);
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

  /** Finishes every open segment: memory is short (operations.md 10). */
  async finishSegments(): Promise<void> {
    await Promise.all([...this.#writers.values()].map((writer) => writer.finishSegment()));
  }

  /** Writes out what waits and finishes every segment. */
  async close(): Promise<void> {
    await Promise.all([...this.#writers.values()].map((writer) => writer.close()));
  }

  #makeSegmentWriters(logger: number, options: LoggedFiles): void {
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

  #writer(logger: number, directory: string, suffix: string, header = ''): LineWriter {
    const options = this.#loggers[logger]!;
    // operations.md 10.1: the same directory and suffix are the same segment.
    const key =
      'output' in options
        ? outputKey(options.output)
        : `${resolve(directory)} ${options.prefix ?? ''} ${suffix}`;
    let writer = this.#writers.get(key);
    if (writer === undefined) {
      writer =
        'output' in options
          ? this.#outputWriter(options.output)
          : this.#segmentWriter(options, { directory, suffix, header });
      this.#writers.set(key, writer);
    }
    return writer;
  }

  #outputWriter(output: string): LineWriter {
    return STANDARD_OUTPUT.includes(output)
      ? new StandardOutput(process.stdout, this.#clock, this.#diagnostics)
      : new PlainFile(resolve(output), this.#clock, this.#diagnostics);
  }

  #segmentWriter(
    options: LoggedFiles,
    file: { directory: string; suffix: string; header: string },
  ): LineWriter {
    return createSegmentWriter({
      logDir: file.directory,
      prefix: options.prefix ?? '',
      suffix: file.suffix,
      header: file.header,
      maxFileSize: options.max_file_size,
      maxSegmentDuration: options.max_segment_duration,
      compressionLevel: options.compression_level,
      clock: this.#clock,
      diagnostics: this.#diagnostics,
    });
  }
}

function outputKey(output: string): string {
  return STANDARD_OUTPUT.includes(output) ? 'stdout' : `file ${resolve(output)}`;
}
