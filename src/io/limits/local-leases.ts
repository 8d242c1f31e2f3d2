import type { Lease, Leases, LimitSpec } from '../../model/index.ts';
import { type Holding, SlotLine } from './slot-line.ts';

/** A lease that knows of the other slots of its limit that this process holds. */
export interface CountedLease extends Lease {
  /** Slots that this process holds. */
  total(): number;
  /** Those of this shard whose holders are about to give them back. */
  leaving(): number;
  onWanted(callback: () => void): () => void;
  leave(): void;
}

interface Slots {
  readonly line: SlotLine;
  held: number;
  /** The one that was asked for last. */
  limit: number;
}

/** Leases of one thread. */
export class LocalLeases implements Leases {
  readonly #limits = new Map<string, Slots>();

  /** Limits with a holder or a want. */
  get size(): number {
    return this.#limits.size;
  }

  tryAcquire(key: string, limit: LimitSpec, _duration?: number, owner?: object): CountedLease | undefined {
    const known = this.#limits.get(key);
    if (known !== undefined) known.limit = limit.limit;
    if ((known?.held ?? 0) >= limit.limit) return undefined;
    const slots = known ?? this.#slots(key, limit.limit);
    slots.held++;
    const holding = slots.line.take(owner);
    return {
      get wanted() {
        return isWanted(slots, holding);
      },
      total: () => this.#limits.get(key)?.held ?? 0,
      leaving: () => slots.line.leaving,
      onWanted(callback) {
        const cancel = holding.onWanted(callback);
        tell(slots);
        return cancel;
      },
      leave: () => holding.leave(),
      release: () => {
        if (holding.giveBack()) this.#released(key, slots);
      },
    };
  }

  want(key: string, retry: () => void, owner?: object): () => void {
    const slots = this.#slots(key);
    const withdraw = slots.line.want(retry, owner);
    // A slot may have come free since the caller looked.
    if (slots.held < slots.limit) this.#offer(key, slots, slots.line.stamp);
    tell(slots);
    return () => {
      withdraw();
      this.#forgetIdle(key, slots);
    };
  }

  look(key: string): number {
    return this.#limits.get(key)?.held ?? 0;
  }

  #slots(key: string, limit = Number.POSITIVE_INFINITY): Slots {
    let slots = this.#limits.get(key);
    if (slots === undefined) {
      slots = { held: 0, limit, line: new SlotLine() };
      this.#limits.set(key, slots);
    }
    return slots;
  }

  #released(key: string, slots: Slots): void {
    slots.held--;
    this.#offer(key, slots, slots.line.stamp);
  }

  /** Gives the first in line its turn, and when it does not take the slot the next of those that wait now. */
  #offer(key: string, slots: Slots, stamp: number): void {
    if (slots.line.waiting > 0) {
      queueMicrotask(() => {
        const retry = slots.line.next(stamp);
        const before = slots.held;
        retry?.();
        if (retry !== undefined && slots.held <= before) this.#offer(key, slots, stamp);
        else this.#forgetIdle(key, slots);
      });
    } else this.#forgetIdle(key, slots);
  }

  #forgetIdle(key: string, slots: Slots): void {
    if (slots.line.isUnused && this.#limits.get(key) === slots) this.#limits.delete(key);
  }
}

/** Fewer slots come free than parties wait, and that one is more than its holder's share. */
function isWanted({ held, limit, line }: Slots, holding: Holding): boolean {
  if (holding.isLeaving || !holding.isHeld) return holding.isHeld;
  return limit - held + line.leaving < line.waitingBut(holding) && line.isWanted(holding);
}

function tell({ held, limit, line }: Slots): void {
  while (line.hasIdle && limit - held + line.leaving < line.waiting && line.tellOne(false));
}
