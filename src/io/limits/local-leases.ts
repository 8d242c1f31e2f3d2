import type { Lease, Leases, LimitSpec } from '../../model/index.ts';

/** A lease that knows how many slots of its limit this process holds. */
export interface CountedLease extends Lease {
  total(): number;
}

interface Slots {
  held: number;
  /** The one that was asked for last. */
  limit: number;
  /** In the order they came. */
  wants: Set<() => void>;
}

/** Leases of one thread. `wanted` is always false, since there is no other shard. */
export class LocalLeases implements Leases {
  readonly #limits = new Map<string, Slots>();

  /** Limits with a holder or a want. */
  get size(): number {
    return this.#limits.size;
  }

  tryAcquire(key: string, limit: LimitSpec): CountedLease | undefined {
    const known = this.#limits.get(key);
    if (known !== undefined) known.limit = limit.limit;
    if ((known?.held ?? 0) >= limit.limit) return undefined;
    const slots = known ?? this.#slots(key, limit.limit);
    slots.held++;
    let held = true;
    return {
      wanted: false,
      total: () => this.#limits.get(key)?.held ?? 0,
      release: () => {
        if (!held) return;
        held = false;
        this.#released(key);
      },
    };
  }

  want(key: string, retry: () => void): () => void {
    const slots = this.#slots(key);
    // Wrapped, so that the same function may want twice.
    const entry = (): void => retry();
    slots.wants.add(entry);
    // A slot may have come free since the caller looked.
    if (slots.held < slots.limit) this.#offer(key, slots, slots.wants.size);
    return () => {
      slots.wants.delete(entry);
      this.#forgetIdle(key, slots);
    };
  }

  #slots(key: string, limit = Number.POSITIVE_INFINITY): Slots {
    let slots = this.#limits.get(key);
    if (slots === undefined) {
      slots = { held: 0, limit, wants: new Set() };
      this.#limits.set(key, slots);
    }
    return slots;
  }

  #released(key: string): void {
    const slots = this.#slots(key);
    slots.held--;
    this.#offer(key, slots, slots.wants.size);
  }

  /** Gives the first in line its turn, and when it does not take the slot the next, at most `turns` of them. */
  #offer(key: string, slots: Slots, turns: number): void {
    if (turns > 0 && slots.wants.size > 0) {
      queueMicrotask(() => {
        const first = slots.wants.values().next().value;
        if (first === undefined) return;
        slots.wants.delete(first);
        const before = slots.held;
        first();
        if (slots.held <= before) this.#offer(key, slots, turns - 1);
        this.#forgetIdle(key, slots);
      });
    } else this.#forgetIdle(key, slots);
  }

  #forgetIdle(key: string, slots: Slots): void {
    if (slots.held === 0 && slots.wants.size === 0 && this.#limits.get(key) === slots)
      this.#limits.delete(key);
  }
}
