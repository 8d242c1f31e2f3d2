/** One named text edit of fengari's source. Loading fails unless `find` occurs exactly `count` times in `file`. */
export interface Patch {
  readonly name: string;
  readonly reason: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  readonly count: number;
}

/** Several edits made for one reason: [file, find, replace, count = 1]. */
export function patchGroup(
  name: string,
  reason: string,
  edits: readonly (readonly [file: string, find: string, replace: string, count?: number])[],
): Patch[] {
  return edits.map(([file, find, replace, count = 1], at) => ({
    name: edits.length === 1 ? name : `${name} ${at + 1}`,
    reason,
    file: `${file}.js`,
    find,
    replace,
    count,
  }));
}
