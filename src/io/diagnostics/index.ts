import { isMainThread, threadId } from 'node:worker_threads';
import pino from 'pino';
import type { Diagnostics } from '../../model/index.ts';
import { DiagnosticFilter, type Level } from './filter.ts';
import { formatDiagnostic } from './lines.ts';
import { type DiagnosticOutput, HourlyFiles, StandardError } from './output.ts';
import { changedFilter, diagnosticSettings, followChanges } from './settings.ts';

export { DiagnosticFilter, DiagnosticFilterError } from './filter.ts';
export { DIAGNOSTIC_FORMATS, type DiagnosticFormat } from './lines.ts';
export { setDiagnosticFilter, setDiagnosticFilterEverywhere, setDiagnosticSettings } from './settings.ts';

/** What is shown when nothing else is asked for (operations.md 1.7): everything from INFO up. */
export const DEFAULT_FILTER = 'info';

/** Says nothing, whatever the filter. */
export const silentDiagnostics: Diagnostics = {
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
};

/**
 * The diagnostic log as the settings of the process say. `filterText` holds until the filter is changed. Throws
 * DiagnosticFilterError, or when the directory of --diag-log-dir cannot be made.
 */
export function createDiagnostics(filterText: string = DEFAULT_FILTER): Diagnostics {
  const filter = DiagnosticFilter.parse(filterText);
  followChanges();
  const { directory } = diagnosticSettings();
  const output = directory === undefined ? new StandardError() : new HourlyFiles(directory);
  const thread = isMainThread ? 'main' : `shard-${threadId - 1}`;
  const logger = pino(
    { level: 'trace', base: null, timestamp: false, formatters: { level: (label) => ({ level: label }) } },
    { write: (line: string) => writeLine(line, thread, output) },
  );
  const say = (level: Level) => (target: string, text: string) => {
    if ((changedFilter() ?? filter).shows(target, level)) logger[level]({ target }, text);
  };
  return { error: say('error'), warn: say('warn'), info: say('info'), debug: say('debug') };
}

function writeLine(line: string, thread: string, output: DiagnosticOutput): void {
  const { level, target, msg } = JSON.parse(line) as { level: Level; target: string; msg: string };
  const time = performance.timeOrigin + performance.now();
  const { format = 'full' } = diagnosticSettings();
  output.write(formatDiagnostic({ time, level, thread, target, text: msg }, format), time);
}
