import type { WatchedPath } from './io/disk-space/index.ts';
import type { InitDeclaration } from './model/index.ts';
import type { SpoolOptions } from './model/options/index.ts';

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
  return [data, meta].map(({ name, path, min_free_space, min_free_inodes }) => ({
    name: `${name} spool`,
    path,
    minFreeSpace: min_free_space,
    minFreeInodes: min_free_inodes,
  }));
}
