import type { ReadyQueues } from './flow/ready-queue/index.ts';
import { systemClock } from './io/clock/index.ts';
import type { DeliveryLogWriters } from './io/delivery-log/index.ts';
import { silentDiagnostics } from './io/diagnostics/index.ts';
import { collectGarbage, MemoryWatch, memoryUsage, usableMemory } from './io/memory/index.ts';
import {
  type Diagnostics,
  declaredMemory,
  type InitDeclaration,
  type MemoryLimits,
  type Spool,
} from './model/index.ts';

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
  return new MemoryWatch({
    limits: declaredLimits(declarations),
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

/** The writer of the delivery log finishes its segments when memory is used up (operations.md 10). */
export function logMemory(
  declarations: readonly InitDeclaration[],
  logs: Pick<DeliveryLogWriters, 'finishSegments'>,
): MemoryWatch {
  const watch = new MemoryWatch({
    limits: declaredLimits(declarations),
    usage: memoryUsage,
    clock: systemClock,
    // A shard tells.
    diagnostics: silentDiagnostics,
    onChange: (level) => {
      // What cannot be written is reported by the writer.
      if (level === 'none') void logs.finishSegments();
    },
    collect: collectGarbage,
  });
  watch.start();
  return watch;
}

function declaredLimits(declarations: readonly InitDeclaration[]): MemoryLimits {
  const declared = (kind: string): unknown => declarations.findLast((entry) => entry.kind === kind)?.options;
  return usableMemory(declaredMemory(declared));
}
