import { createSegmentWriter, type SegmentWriter } from '../../io/delivery-log/index.ts';
import { threadNumber } from '../../io/threads/index.ts';
import {
  anyValue,
  defineFunction,
  defineModule,
  defineObject,
  methodsOf,
  optionsArgument,
  string,
} from '../../model/define/index.ts';
import { formatJson, type PolicyHost } from '../../model/index.ts';
import { type JsonLinesOptions, jsonLinesOptions } from '../../model/options/index.ts';
import { tailerFunctions } from './jsonl-tailer.ts';
import { sharedBy } from './kept.ts';
import { warnLater } from './later.ts';

interface OpenWriter {
  readonly segments: SegmentWriter;
  holders: number;
}

/** One holder of a writer; all Lua states of a thread that write to one place share the file. */
export class JsonLinesWriter {
  readonly #writer: OpenWriter;
  readonly #forget: () => void;
  #closed = false;

  constructor(writer: OpenWriter, forget: () => void) {
    this.#writer = writer;
    this.#forget = forget;
    writer.holders++;
  }

  write(line: string): Promise<void> {
    if (this.#closed) throw new Error('the writer is closed');
    if (/[\r\n]/.test(line)) throw new Error('a line has no line break in it');
    return this.#writer.segments.append(`${line}\n`);
  }

  /** The last holder finishes the segment. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (--this.#writer.holders > 0) return;
    this.#forget();
    await this.#writer.segments.close();
  }
}

const writersOf = sharedBy(() => new Map<string, OpenWriter>());

function openWriter(options: JsonLinesOptions, host: PolicyHost): JsonLinesWriter {
  const writers = writersOf(host);
  const key = JSON.stringify(options);
  let writer = writers.get(key);
  if (writer === undefined) {
    const segments = createSegmentWriter({
      logDir: options.log_dir,
      suffix: `-${threadNumber}${options.suffix}`,
      shared: true,
      maxFileSize: options.max_file_size,
      maxSegmentDuration: options.max_segment_duration,
      compressionLevel: options.compression_level,
      clock: host.clock,
      diagnostics: host.diagnostics,
    });
    writer = { segments, holders: 0 };
    writers.set(key, writer);
  }
  return new JsonLinesWriter(writer, () => writers.delete(key));
}

export const jsonlModule = defineModule(
  'kumo.jsonl',
  { doc: 'Logs of lines of JSON, in segments compressed with zstd as the delivery log is.' },
  {
    new_writer: defineFunction({
      params: { options: optionsArgument(jsonLinesOptions) },
      returns: 'jsonl_writer',
      doc: 'A writer of a directory. What it takes can be read within a second, and after close() at once.',
      call: ({ options: given }, context) => {
        warnLater(context, 'jsonl.new_writer', given.later);
        return openWriter(given.options, context.host);
      },
    }),
    ...tailerFunctions,
  },
);

const method = methodsOf<JsonLinesWriter>();

export const jsonlWriterObject = defineObject(
  'jsonl_writer',
  JsonLinesWriter,
  { doc: 'A log of lines of JSON.' },
  {
    write_line: method({
      params: { line: string() },
      doc: 'Writes a text, which is to be JSON, as one line.',
      call: (self, { line }) => self.write(line),
    }),
    write_record: method({
      params: { record: anyValue() },
      doc: 'Writes a value as JSON.',
      call: (self, { record }) => self.write(formatJson(record)),
    }),
    close: method({
      doc: 'Writes out what waits. The last one who closes finishes the segment.',
      call: (self) => self.close(),
    }),
  },
);
