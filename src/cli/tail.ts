import { Command, InvalidArgumentError, Option } from 'commander';
import { LogTailer, listSegments } from '../io/delivery-log/index.ts';
import { type LogRecord, type MaybePromise, parseDuration } from '../model/index.ts';
import { type RecordFilterOptions, recordFilter, recordFilterOptions } from './tail-filter.ts';
import { recordLine } from './tail-line.ts';

export interface TailOptions extends RecordFilterOptions {
  pattern: string;
  /** Go on as the log grows. */
  follow: boolean;
  /** Begin with the newest segment, whatever the checkpoint says. */
  tail?: boolean;
  checkpoint?: string;
  batchSize?: number;
  /** Milliseconds. */
  batchLatency?: number;
  json?: boolean;
  text?: boolean;
}

/** `moonpost tail LOGDIR`: the delivery log, for people on a terminal and as JSON elsewhere. */
export function tailCommand(): Command {
  const command = new Command('tail')
    .description(
      'print the delivery log and follow it as it grows: lines for people on a terminal, else records as JSON',
    )
    .option('--json', 'records as JSON, also on a terminal')
    .addOption(new Option('--text', 'lines for people, also elsewhere').conflicts('json'))
    .option(
      '--checkpoint <name>',
      'go on where the last one of this name stopped; kept as .NAME in the directory',
    );
  return readingOptions(command, 0);
}

/** `moonpost tailer DIRECTORY`, as the program of that name of KumoMTA (operations.md 11). */
export function tailerCommand(): Command {
  const command = new Command('tailer')
    .description(
      'print the records of a log directory as JSON and go on until it is stopped, then from there',
    )
    .option('--checkpoint <name>', 'kept as .NAME in the directory', 'tailer-checkpoint');
  return readingOptions(command, 1000);
}

function readingOptions(command: Command, latency: number): Command {
  recordFilterOptions(command)
    .argument('<logdir>', 'directory of configure_local_logs')
    .option('--pattern <glob>', 'segments to read', '*')
    .option('--tail', 'begin with the newest segment, whatever the checkpoint says')
    .option('--batch-size <n>', 'most records that are printed together', batchSize, 1000)
    .option('--batch-latency <time>', 'how long the first of them waits for others', duration, latency)
    .option('--no-follow', 'stop at the end of what is there');
  return command.action(async (logDir: string, options: TailOptions, self: Command) => {
    const print = (text: string): MaybePromise<void> => {
      if (!process.stdout.write(text)) return drained(process.stdout);
    };
    const stop = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
    // `moonpost tail … | head` closes our output; that is the end, not an error.
    process.stdout.once('error', () => stop.abort());
    const forPeople = options.text ?? (self.name() === 'tail' && process.stdout.isTTY === true);
    await tail(logDir, { ...options, text: forPeople && options.json !== true }, print, stop.signal);
  });
}

/** Resolves when the reader of our output has caught up, or has gone. */
function drained(output: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      output.off('drain', done).off('error', done);
      resolve();
    };
    output.once('drain', done).once('error', done);
  });
}

/**
 * Prints what is wanted of every segment, many lines at a time; follows until aborted. What cannot be read is named on
 * stderr and skipped. Rejects when the directory cannot be read.
 */
export async function tail(
  logDir: string,
  options: TailOptions,
  print: (text: string) => MaybePromise<unknown>,
  stop: AbortSignal,
): Promise<void> {
  // Throws when there is no such directory.
  const look = (): unknown => listSegments(logDir, options.pattern);
  look();
  const complain = (text: string): void => void process.stderr.write(`${text}\n`);
  const tailer = new LogTailer({
    directory: logDir,
    pattern: options.pattern,
    maxBatchSize: options.batchSize ?? 1000,
    maxBatchLatency: options.batchLatency ?? 0,
    checkpoint: options.checkpoint,
    fromNewest: options.tail ?? false,
    isOnce: !options.follow,
    onTrouble: complain,
  });
  // Whoever aborts wants no more; a read that is under way fails then, and nobody is told.
  stop.addEventListener('abort', () => void tailer.close().catch(() => {}), { once: true });
  tailer.start();
  const shown = presentation(options);
  while (!stop.aborted) {
    try {
      const batch = await tailer.next();
      if (batch === undefined) break;
      const text = batch.lines.map(shown).join('');
      if (text !== '') await print(text);
      if (!stop.aborted) tailer.commit(batch.position);
    } catch (error) {
      if (stop.aborted) break;
      complain((error as Error).message);
      look();
    }
  }
  await tailer.close();
}

/** What becomes of a line of the log: nothing, when it is not wanted. */
function presentation(options: TailOptions): (line: string) => string {
  const isWanted = recordFilter(options);
  // A million lines that are printed as they are need not be parsed.
  if (isWanted === undefined && options.text !== true) return (line) => `${line}\n`;
  return (line) => {
    const record = recordIn(line);
    // What a template made, or the header of a segment, has no fields to choose by.
    if (record === undefined) return isWanted === undefined ? `${line}\n` : '';
    if (isWanted?.(record) === false) return '';
    return options.text === true ? `${recordLine(record)}\n` : `${line}\n`;
  };
}

function recordIn(line: string): Partial<LogRecord> | undefined {
  try {
    const record: unknown = JSON.parse(line);
    return typeof record === 'object' && record !== null && !Array.isArray(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

function batchSize(text: string): number {
  const size = Number(text);
  if (!Number.isInteger(size) || size < 1 || size > 100_000) {
    throw new InvalidArgumentError('must be a whole number from 1 to 100000.');
  }
  return size;
}

function duration(text: string): number {
  const time = parseDuration(text);
  if (time === undefined) throw new InvalidArgumentError('must be a duration such as 1s.');
  return time;
}
