import { writeSync } from 'node:fs';
import { isMainThread, threadId } from 'node:worker_threads';
import pino from 'pino';
import type { Diagnostics } from '../../model/index.ts';
import { DiagnosticFilter, type Level } from './filter.ts';

export { DiagnosticFilter, DiagnosticFilterError } from './filter.ts';

/** What is shown when nothing else is asked for (operations.md 1.7): everything from INFO up. */
export const DEFAULT_FILTER = 'info';

/** What is shown in this thread since it was changed, whatever was asked for at the start. */
let changed: DiagnosticFilter | undefined;

/** Another filter for all diagnostics of this thread, at once. Throws DiagnosticFilterError. */
export function setDiagnosticFilter(text: string): void {
  changed = DiagnosticFilter.parse(text);
}

/** Says nothing, whatever the filter. */
export const silentDiagnostics: Diagnostics = {
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
};

/**
 * The diagnostic log on stderr, one line each: RFC 3339 time, level padded to 5, thread, target, text.
 * Written at once and by the thread that speaks, so that the last words of a crash are not lost.
 */
export function createDiagnostics(filterText: string = DEFAULT_FILTER): Diagnostics {
  const filter = DiagnosticFilter.parse(filterText);
  const thread = isMainThread ? 'main' : `shard-${threadId - 1}`;
  const logger = pino(
    { level: 'trace', base: null, timestamp: false, formatters: { level: (label) => ({ level: label }) } },
    { write: (line: string) => writeLine(line, thread) },
  );
  const say = (level: Level) => (target: string, text: string) => {
    if ((changed ?? filter).shows(target, level)) logger[level]({ target }, text);
  };
  return { error: say('error'), warn: say('warn'), info: say('info'), debug: say('debug') };
}

function writeLine(line: string, thread: string): void {
  const { level, target, msg } = JSON.parse(line) as { level: string; target: string; msg: string };
  const text = `${timestamp()} ${level.toUpperCase().padStart(5)} ${thread} ${target}: ${msg}\n`;
  try {
    writeSync(2, text);
  } catch {
    // stderr is gone or full (EAGAIN on a pipe): mail matters more than what we say about it.
  }
}

/** RFC 3339 in UTC with microseconds. */
function timestamp(): string {
  const now = performance.timeOrigin + performance.now();
  const micros = Math.floor((now % 1) * 1000);
  return `${new Date(now).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}
