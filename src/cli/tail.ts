import { join } from 'node:path';
import { Command } from 'commander';
import { isFinished, listSegments, SegmentReader } from '../io/delivery-log/index.ts';
import type { MaybePromise } from '../model/index.ts';

interface TailOptions {
  pattern: string;
  follow: boolean;
}

/** How often a followed directory is looked at, ms. */
const LOOK_EVERY = 250;

/** `moonpost tail LOGDIR`: the delivery log as text, and what is added to it. */
export function tailCommand(): Command {
  return new Command('tail')
    .description('print the delivery log, decompressed, and follow it as it grows')
    .argument('<logdir>', 'directory of configure_local_logs')
    .option('--pattern <glob>', 'segments to read', '*')
    .option('--no-follow', 'stop at the end of what is there')
    .action(async (logDir: string, options: TailOptions) => {
      const print = (line: string): MaybePromise<void> => {
        if (!process.stdout.write(`${line}\n`)) return drained(process.stdout);
      };
      const stop = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
      // `moonpost tail … | head` closes our output; that is the end, not an error.
      process.stdout.once('error', () => stop.abort());
      await tail(logDir, options, print, stop.signal);
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
 * Prints every line of the segments in order; follows until aborted. A file that is no zstd is named on stderr
 * and skipped.
 */
export async function tail(
  logDir: string,
  options: TailOptions,
  print: (line: string) => MaybePromise<unknown>,
  stop: AbortSignal,
): Promise<void> {
  const done = new Set<string>();
  const open = new Map<string, SegmentReader>();
  while (!stop.aborted) {
    for (const name of listSegments(logDir, options.pattern)) {
      if (stop.aborted || done.has(name)) continue;
      const path = join(logDir, name);
      const finished = isFinished(path);
      const reader = open.get(name) ?? new SegmentReader(path);
      open.set(name, reader);
      const broken = await printNew(reader, print, stop);
      if (finished || broken !== undefined) {
        const why = broken ?? reader.unfinished;
        if (why !== undefined) process.stderr.write(`${path}: ${why}\n`);
        await reader.close();
        open.delete(name);
        done.add(name);
      }
    }
    if (!options.follow) break;
    await sleep(LOOK_EVERY, stop);
  }
  for (const reader of open.values()) await reader.close();
}

/** Prints what is new; says what is wrong when the file cannot be read. */
async function printNew(
  reader: SegmentReader,
  print: (line: string) => MaybePromise<unknown>,
  stop: AbortSignal,
): Promise<string | undefined> {
  try {
    for await (const lines of reader.lines()) {
      for (const line of lines) {
        if (stop.aborted) return undefined;
        const waiting = print(line);
        if (waiting instanceof Promise) await waiting;
      }
    }
    return undefined;
  } catch (error) {
    return `cannot be read: ${(error as Error).message}`;
  }
}

function sleep(duration: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, duration);
    stop.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
