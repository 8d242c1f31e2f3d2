import { gcraCapacity } from './gcra.ts';
import type { ThrottleSpec } from './limits.ts';

/** How long, in ms, a node keeps the slots that it has of a limit while the nodes cannot agree on who has them. */
export const SHARE_TURN = 60_000;

/**
 * Slots of `limit` that are for the node of this rank (0 to nodes - 1) in a turn. Over all ranks they add up to the
 * limit. Ranks change places from turn to turn, so that a limit smaller than the number of nodes serves all.
 */
export function leaseShare(limit: number, rank: number, nodes: number, turn: number): number {
  const place = (rank + turn) % nodes;
  return Math.floor((limit * (place + 1)) / nodes) - Math.floor((limit * place) / nodes);
}

/** What one of so many nodes may send of a throttle: its part of the rate, and of the burst, at least one. */
export function throttleShare(spec: ThrottleSpec, nodes: number): ThrottleSpec {
  const capacity = Math.max(1, Math.floor(gcraCapacity(spec) / nodes));
  return { limit: spec.limit, period: spec.period * nodes, burst: capacity - 1, local: true };
}
