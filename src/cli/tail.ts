import { join } from 'node:path';
import { Command } from 'commander';
import { isFinished, listSegments, SegmentReader } from '../io/delivery-log/index.ts';

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
      const print = (line: string): boolean => process.stdout.write(`${line}\n`);
      const stop = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
      // `moonpost tail … | head` closes our output; that is the end, not an error.
      process.stdout.once('error', () => stop.abort());
      await tail(logDir, options, print, stop.signal);
    });
}

/** Prints every line of the segments in order; follows until aborted. */
export async function tail(
  logDir: string,
  options: TailOptions,
  print: (line: string) => void,
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
      for (const line of await reader.lines()) print(line);
      if (finished) await finish(name, reader, open, done);
    }
    if (!options.follow) break;
    await sleep(LOOK_EVERY, stop);
  }
  for (const reader of open.values()) await reader.close();
}

async function finish(
  name: string,
  reader: SegmentReader,
  open: Map<string, SegmentReader>,
  done: Set<string>,
): Promise<void> {
  if (reader.incomplete > 0) {
    process.stderr.write(`${reader.path}: ends in ${reader.incomplete} bytes that are no complete zstd frame\n`);
  }
  await reader.close();
  open.delete(name);
  done.add(name);
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
