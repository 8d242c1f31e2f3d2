import { budgetPatches } from './budget.ts';
import { closePatches } from './close.ts';
import { corePatches } from './core.ts';
import { languagePatches } from './language.ts';
import { memberNamePatches } from './member-names.ts';
import { numberPatches } from './numbers.ts';
import type { Patch } from './patch.ts';
import { slicePatches } from './slices.ts';
import { smallIntegerPatches } from './small-integers.ts';

export type { Patch } from './patch.ts';

/** The version of fengari that the patches are written for. */
export const fengariVersion = '0.1.5';

export const patches: readonly Patch[] = [
  ...corePatches,
  ...languagePatches,
  ...closePatches,
  ...numberPatches,
  ...memberNamePatches,
  ...budgetPatches,
  ...slicePatches,
  ...smallIntegerPatches,
];

/** Applies the edits in order. Throws when one does not fit, since a half-patched VM must never run policy. */
export function applyPatches(
  files: ReadonlyMap<string, string>,
  edits: readonly Patch[] = patches,
): Map<string, string> {
  const patched = new Map(files);
  for (const edit of edits) {
    const text = patched.get(edit.file);
    if (text === undefined) throw new Error(`fengari patch '${edit.name}': there is no file ${edit.file}`);
    const pieces = text.split(edit.find);
    if (pieces.length - 1 !== edit.count) {
      throw new Error(
        `fengari patch '${edit.name}': expected ${edit.count} places in ${edit.file}, found ${pieces.length - 1}`,
      );
    }
    patched.set(edit.file, pieces.join(edit.replace));
  }
  return patched;
}
