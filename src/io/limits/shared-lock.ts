/** Time after which a lock whose holder never lets go is taken over. A critical section lasts microseconds. */
const ABANDONED = 2000;
const SPINS = 200;
/** ms per wait; waits time out instead of being notified, because a notify costs more than the whole section. */
const WAIT = 0.1;

/**
 * Takes the lock word for `owner` (> 0). Uncontended: one compare-and-swap, 20 ns with its unlock. The holder is
 * a thread that runs at the same time or will run again soon, so waiting here is short; nothing under these locks
 * waits for anything.
 */
export function lock(words: Int32Array, index: number, owner: number): void {
  if (Atomics.compareExchange(words, index, 0, owner) === 0) return;
  for (let spin = 0; spin < SPINS; spin++) {
    if (Atomics.compareExchange(words, index, 0, owner) === 0) return;
  }
  lockSlowly(words, index, owner);
}

function lockSlowly(words: Int32Array, index: number, owner: number): void {
  let last = 0;
  let waits = 0;
  for (;;) {
    const holder = Atomics.compareExchange(words, index, 0, owner);
    if (holder === 0) return;
    waits = holder === last ? waits + 1 : 0;
    last = holder;
    // The shard died inside the section and nobody has called releaseShard yet. Every change made under a lock
    // ends with one store that makes it real, so what it left is consistent.
    if (waits > ABANDONED / WAIT && Atomics.compareExchange(words, index, holder, owner) === holder) return;
    Atomics.wait(words, index, holder, WAIT);
  }
}

/** Gives the lock back, unless it was taken over from `owner` meanwhile. */
export function unlock(words: Int32Array, index: number, owner: number): void {
  Atomics.compareExchange(words, index, owner, 0);
}
