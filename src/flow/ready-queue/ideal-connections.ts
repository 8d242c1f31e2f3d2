/**
 * How many connections a ready queue of `length` messages deserves: few for a trickle, the whole limit only
 * under load (delivery.md section 7).
 */
export function idealConnections(limit: number, length: number): number {
  if (length <= 0) return 0;
  return Math.min(Math.ceil(limit * (1 - Math.exp(-0.023 * length))), length, limit);
}
