import { totalmem } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type MemoryLimits, memoryLimits } from '../../model/index.ts';
import { controlGroupMemory, type GroupMemory } from './control-group.ts';

export { controlGroupMemory, type GroupMemory, type ReadFile } from './control-group.ts';
export { MemoryWatch, type MemoryWatchParts } from './watch.ts';

/** Where the limits come from stays the same while the process runs. */
let known: { group: GroupMemory | undefined } | undefined;

function groupMemory(): GroupMemory | undefined {
  known ??= { group: controlGroupMemory() };
  return known.group;
}

/** The limits of memory that hold, given those that policy set: of the control group, or of the machine. */
export function usableMemory(declared: Partial<MemoryLimits> = {}): MemoryLimits {
  const total = totalmem();
  const group = groupMemory();
  const hard = Math.min(group?.hard ?? total, total);
  return memoryLimits(declared, { hard, ...(group?.soft !== undefined && { soft: group.soft }) });
}

/**
 * Bytes that count against the limits: of the control group when it has a limit, else of this process. Undefined when
 * they cannot be read now, such as for want of a descriptor.
 */
export function memoryUsage(): number | undefined {
  const group = groupMemory();
  if (group !== undefined) return group.usage();
  try {
    return process.memoryUsage.rss();
  } catch {
    return undefined;
  }
}

let gc: (() => void) | undefined;

/** Has the engine collect what this thread does not use any more. Takes as long as that takes. */
export function collectGarbage(): void {
  if (gc === undefined) {
    // The flag is one of the whole process, and other threads may come here at the same time: it stays.
    setFlagsFromString('--expose-gc');
    gc = runInNewContext('gc') as () => void;
  }
  gc();
}
