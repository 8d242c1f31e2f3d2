import { totalmem } from 'node:os';

/** Bytes of memory that the process may use: the limit of its control group, or what the machine has. */
export function usableMemory(): number {
  const constrained = process.constrainedMemory();
  const total = totalmem();
  return constrained > 0 && constrained < total ? constrained : total;
}
