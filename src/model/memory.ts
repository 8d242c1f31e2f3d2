/** How memory is. `low`: what can be read again leaves it. `none`: no mail is taken either. */
export type MemoryLevel = 'enough' | 'low' | 'none';

/** Memory as the rooms see it. The real one is io/memory. */
export interface MemoryState {
  readonly level: MemoryLevel;
}

/** Memory that never ends. */
export const PLENTY: MemoryState = { level: 'enough' };

/** What leaves memory of a message: body and metadata, the body only, or nothing. */
export type Shrinking = 'ShrinkDataAndMeta' | 'ShrinkData' | 'NoShrink';

/** In bytes. */
export interface MemoryLimits {
  /** Never to be exceeded. */
  hard: number;
  /** From here on there is none left. */
  soft: number;
  /** From here on it is low. */
  low: number;
}

/** The limits that hold: those that policy set, else those of the machine (delivery.md section 17). */
export function memoryLimits(
  declared: Partial<MemoryLimits>,
  machine: Pick<MemoryLimits, 'hard'> & Partial<Pick<MemoryLimits, 'soft'>>,
): MemoryLimits {
  const hard = declared.hard ?? machine.hard;
  const soft = declared.soft ?? Math.min(machine.soft ?? Infinity, Math.floor(hard * 0.75));
  return { hard, soft, low: declared.low ?? Math.floor(soft * 0.8) };
}

/** What policy set of them, given what it declared last of each kind. */
export function declaredMemory(declared: (kind: string) => unknown): Partial<MemoryLimits> {
  const bytes = (name: string): number | undefined => declared(`set_memory_${name}`) as number | undefined;
  const [hard, soft, low] = [bytes('hard_limit'), bytes('soft_limit'), bytes('low_thresh')];
  return {
    ...(hard !== undefined && { hard }),
    ...(soft !== undefined && { soft }),
    ...(low !== undefined && { low }),
  };
}
