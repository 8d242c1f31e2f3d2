import type { WatchedPath } from './io/disk-space/index.ts';
import { accountingLog, type InitDeclaration, logDirectories } from './model/index.ts';
import type { LocalLogsOptions, SpoolOptions } from './model/options/index.ts';

/** Where policy has the bodies and the metadata of mail. */
export function spoolOptions(declarations: readonly InitDeclaration[]): {
  data: SpoolOptions;
  meta: SpoolOptions;
} {
  const spools = declarations.filter(({ kind }) => kind === 'define_spool');
  const all = spools.map(({ options }) => options as SpoolOptions);
  const named = (name: string): SpoolOptions => all.find((spool) => spool.name === name) ?? all[0]!;
  return { data: named('data'), meta: named('meta') };
}

/** The file systems that mail must leave room on. */
export function watchedDisks(declarations: readonly InitDeclaration[]): WatchedPath[] {
  const { data, meta } = spoolOptions(declarations);
  const logs = declarations
    .filter(({ kind }) => kind === 'configure_local_logs')
    .map(({ options }) => options as LocalLogsOptions);
  const audit = accountingLog(declarations);
  return [
    ...watchedSpools([data, meta]),
    ...logs.flatMap(watchedLogs),
    ...(audit === undefined ? [] : watchedLogs({ ...audit, per_record: {} })),
  ].map(unlikeOthers);
}

function watchedSpools(spools: readonly SpoolOptions[]): WatchedPath[] {
  return spools.map(({ name, path, min_free_space, min_free_inodes }) => ({
    name: `${name} spool`,
    path,
    minFreeSpace: min_free_space,
    minFreeInodes: min_free_inodes,
  }));
}

function watchedLogs(
  options: Pick<LocalLogsOptions, 'log_dir' | 'per_record' | 'min_free_space' | 'min_free_inodes'>,
): WatchedPath[] {
  return logDirectories(options).map((path) => ({
    name: `log dir ${path}`,
    path,
    minFreeSpace: options.min_free_space,
    minFreeInodes: options.min_free_inodes,
  }));
}

/** Two loggers of one directory may have different floors, and each of them counts. */
function unlikeOthers(watched: WatchedPath, index: number, all: readonly WatchedPath[]): WatchedPath {
  const before = all.slice(0, index).filter(({ name }) => name === watched.name).length;
  return before === 0 ? watched : { ...watched, name: `${watched.name} (${before + 1})` };
}
