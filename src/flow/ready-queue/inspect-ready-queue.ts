import { type InspectedReadyQueue, pathCeilings } from '../../model/index.ts';
import { EgressPath } from '../../model/options/index.ts';
import type { ReadyQueue } from './ready-queue.ts';
import { watchdogTimeout } from './watchdog.ts';

/** Messages that are looked at for the names of their queues. */
const LOOKED_AT = 1000;

/** A ready queue as administrators see it; with the names of the queues that its oldest messages are from. */
export function inspectReadyQueue(queue: ReadyQueue, withQueues: boolean): InspectedReadyQueue {
  const waiting = queue.waiting(0, withQueues ? LOOKED_AT : 1);
  return {
    source: queue.source.name,
    pool: waiting[0]?.home.egressPool ?? null,
    ready: queue.length,
    connections: queue.open.inspect(),
    states: queue.states,
    patience: watchdogTimeout(queue.path),
    path: new EgressPath(queue.path).asJson(),
    ceilings: pathCeilings(queue.path),
    queues: withQueues ? [...new Set(waiting.map(({ home }) => home.name))] : [],
  };
}
