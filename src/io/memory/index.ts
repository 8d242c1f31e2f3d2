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

/**
 * The limits of memory that hold: those that policy set, else those of the environment (KUMOD_MEMORY_HARD_LIMIT and
 * KUMOD_MEMORY_SOFT_LIMIT, bytes), of the control group, or of the machine. Throws when the environment has no number.
 */
export function usableMemory(
  declared: Partial<MemoryLimits> = {},
  environment: Record<string, string | undefined> = process.env,
): MemoryLimits {
  const total = totalmem();
  const group = groupMemory();
  const hard = Math.min(group?.hard ?? total, total);
  const given = { ...fromEnvironment(environment, 'hard'), ...fromEnvironment(environment, 'soft') };
  return memoryLimits(
    { ...given, ...declared },
    { hard, ...(group?.soft !== undefined && { soft: group.soft }) },
  );
}

function fromEnvironment(
  environment: Record<string, string | undefined>,
  limit: 'hard' | 'soft',
): Partial<MemoryLimits> {
  const name = `KUMOD_MEMORY_${limit.toUpperCase()}_LIMIT`;
  const text = environment[name];
  if (text === undefined || text === '') return {};
  if (!/^[1-9]\d{0,15}$/.test(text))
    throw new Error(`${name} is no number of bytes: ${JSON.stringify(text)}`);
  return { [limit]: Number(text) };
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
