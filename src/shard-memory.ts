import type { ReadyQueues } from './flow/ready-queue/index.ts';
import { systemClock } from './io/clock/index.ts';
import { collectGarbage, MemoryWatch, memoryUsage, usableMemory } from './io/memory/index.ts';
import { type Diagnostics, declaredMemory, type InitDeclaration, type Spool } from './model/index.ts';

/** The rooms that hold memory which they can do without, as far as they are open. */
export interface RoomsWithMemory {
  readonly ready: ReadyQueues | undefined;
  readonly spool: Spool | undefined;
}

/** Watches the memory of the process for one shard, whose rooms give up what they can when it is short. */
export function shardMemory(
  declarations: readonly InitDeclaration[],
  diagnostics: Diagnostics,
  rooms: () => RoomsWithMemory,
): MemoryWatch {
  const declared = (kind: string): unknown => declarations.findLast((entry) => entry.kind === kind)?.options;
  return new MemoryWatch({
    limits: usableMemory(declaredMemory(declared)),
    usage: memoryUsage,
    clock: systemClock,
    diagnostics,
    onChange(level) {
      const { ready, spool } = rooms();
      ready?.memoryChanged();
      if (level === 'enough') return;
      // What memory alone has goes to disk (deferred_spool).
      spool?.flush().catch((error: Error) => diagnostics.error('memory', `cannot save: ${error.message}`));
    },
    collect: collectGarbage,
  });
}
