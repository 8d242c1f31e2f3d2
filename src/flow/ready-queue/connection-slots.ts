import type { Lease, Leases, MaybePromise } from '../../model/index.ts';
import type { NamedLimit, PathLimits } from './path-limits.ts';

/** Slots of all the limits that a connection counts against, or the key of the first limit that is used up. */
export type Slots = { kind: 'held'; lease: Lease } | { kind: 'full'; key: string };

/** Takes a slot of every limit of a connection of `owner`, in their order, or none at all. */
export function acquireSlots(leases: Leases, limits: PathLimits, owner?: object): MaybePromise<Slots> {
  const held: Lease[] = [];
  const take = ({ key, limit }: NamedLimit): MaybePromise<Lease | undefined> =>
    leases.tryAcquire(key, limit, limits.leaseDuration, owner);
  for (const one of limits.connections) {
    const { key } = one;
    const lease = take(one);
    if (lease instanceof Promise) return acquireRest(take, limits, held, lease);
    if (lease === undefined) return full(held, key);
    held.push(lease);
  }
  return granted(held);
}

/** The same where the answers take their time, from the limit on whose answer is `pending`. */
async function acquireRest(
  take: (limit: NamedLimit) => MaybePromise<Lease | undefined>,
  limits: PathLimits,
  held: Lease[],
  pending: MaybePromise<Lease | undefined>,
): Promise<Slots> {
  try {
    let lease = await pending;
    for (;;) {
      if (lease === undefined) return full(held, limits.connections[held.length]!.key);
      held.push(lease);
      const next = limits.connections[held.length];
      if (next === undefined) return granted(held);
      lease = await take(next);
    }
  } catch (error) {
    releaseAll(held);
    throw error;
  }
}

function full(held: readonly Lease[], key: string): Slots {
  releaseAll(held);
  return { kind: 'full', key };
}

function granted(held: readonly Lease[]): Slots {
  return { kind: 'held', lease: held.length === 1 ? held[0]! : new AllSlots(held) };
}

/** In the reverse order, so that whoever waits for the scarcest finds the others free. */
function releaseAll(leases: readonly Lease[]): void {
  for (let index = leases.length - 1; index >= 0; index--) leases[index]!.release();
}

/** Slots of several limits that are held, and given back, together. */
class AllSlots implements Lease {
  readonly #leases: readonly Lease[];

  constructor(leases: readonly Lease[]) {
    this.#leases = leases;
  }

  get wanted(): boolean {
    return this.#leases.some((lease) => lease.wanted);
  }

  onWanted(callback: () => void): () => void {
    const cancels: (() => void)[] = [];
    let isOver = false;
    const stop = (): void => {
      isOver = true;
      for (const cancel of cancels) cancel();
    };
    for (const lease of this.#leases) {
      // One that calls back at once has done so already.
      if (isOver) break;
      const cancel = lease.onWanted?.(() => {
        if (isOver) return;
        stop();
        callback();
      });
      if (cancel !== undefined) cancels.push(cancel);
    }
    return stop;
  }

  leave(): void {
    for (const lease of this.#leases) lease.leave?.();
  }

  extend(): MaybePromise<boolean> {
    const verdicts = this.#leases.map((lease) => lease.extend?.() ?? true);
    const all = (kept: readonly boolean[]): boolean => kept.every((isKept) => isKept);
    return verdicts.some((verdict) => verdict instanceof Promise)
      ? Promise.all(verdicts).then(all)
      : all(verdicts as boolean[]);
  }

  release(): void {
    releaseAll(this.#leases);
  }
}
