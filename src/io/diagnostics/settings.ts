import { BroadcastChannel, getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { DiagnosticFilter } from './filter.ts';
import type { DiagnosticFormat } from './lines.ts';

/** How the diagnostic log of the process is written; threads that begin later have it from the one that starts them. */
export interface DiagnosticSettings {
  format?: DiagnosticFormat;
  /** Directory of hourly files; absent: stderr. */
  directory?: string | undefined;
  /** What is shown since that was changed, whatever was asked for at the start. */
  filter?: string;
}

const KEY = 'moonpost diagnostics';
const CHANNEL = 'moonpost diagnostic filter';

export function diagnosticSettings(): DiagnosticSettings {
  return (getEnvironmentData(KEY) ?? {}) as DiagnosticSettings;
}

/** For the start of the process, before its threads are. */
export function setDiagnosticSettings(settings: DiagnosticSettings): void {
  setEnvironmentData(KEY, { ...diagnosticSettings(), ...settings });
}

let changed: DiagnosticFilter | undefined;
let channel: BroadcastChannel | undefined;

/** The filter that holds in this thread since it was changed, if it was. */
export function changedFilter(): DiagnosticFilter | undefined {
  return changed;
}

/** Hears of changes that other threads make, and takes the last one that was made before. */
export function followChanges(): void {
  if (channel !== undefined) return;
  const { filter } = diagnosticSettings();
  if (filter !== undefined) changed = DiagnosticFilter.parse(filter);
  channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = (event) => setDiagnosticFilter((event as { data: string }).data);
  channel.unref();
}

/** Another filter for all diagnostics of this thread, and of those that it starts. Throws DiagnosticFilterError. */
export function setDiagnosticFilter(text: string): void {
  changed = DiagnosticFilter.parse(text);
  setDiagnosticSettings({ filter: text });
}

/** The same for every thread of the process: here at once, elsewhere a moment later. */
export function setDiagnosticFilterEverywhere(text: string): void {
  // Every Lua state that loads a policy may say so again.
  if (changed?.text === text) return;
  setDiagnosticFilter(text);
  followChanges();
  channel!.postMessage(text);
}
