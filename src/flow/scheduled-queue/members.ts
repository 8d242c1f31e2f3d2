import type { QueuedMessage } from '../../model/index.ts';

/** The messages of one queue, oldest member first, linked through the messages themselves. */
export class Members {
  size = 0;
  #first: QueuedMessage | undefined;
  #last: QueuedMessage | undefined;
  #walks: Set<MemberWalk> | undefined;

  get first(): QueuedMessage | undefined {
    return this.#first;
  }

  /** Whether a message whose home this is has not left. */
  has(message: QueuedMessage): boolean {
    return message === this.#first || message.memberPrev !== undefined;
  }

  /** Takes a message that is a member of no queue. */
  add(message: QueuedMessage): void {
    message.memberPrev = this.#last;
    if (this.#last === undefined) this.#first = message;
    else this.#last.memberNext = message;
    this.#last = message;
    this.size++;
  }

  delete(message: QueuedMessage): void {
    const { memberPrev: before, memberNext: after } = message;
    if (this.#walks !== undefined) for (const walk of this.#walks) walk.passOver(message);
    if (before === undefined) this.#first = after;
    else before.memberNext = after;
    if (after === undefined) this.#last = before;
    else after.memberPrev = before;
    message.memberPrev = undefined;
    message.memberNext = undefined;
    this.size--;
  }

  /** Visits the members one by one; some may come and go meanwhile. End it with `close`. */
  walk(): MemberWalk {
    this.#walks ??= new Set();
    const walk = new MemberWalk(this, () => {
      this.#walks?.delete(walk);
      if (this.#walks?.size === 0) this.#walks = undefined;
    });
    this.#walks.add(walk);
    return walk;
  }
}

/** A way through the members that stays right while members leave. */
export class MemberWalk {
  readonly close: () => void;
  #next: QueuedMessage | undefined;
  /** Those who come later are not visited, so that it ends. */
  #left: number;

  constructor(members: Members, close: () => void) {
    this.#next = members.first;
    this.#left = members.size;
    this.close = close;
  }

  next(): QueuedMessage | undefined {
    const message = this.#next;
    if (message === undefined || this.#left-- <= 0) return undefined;
    this.#next = message.memberNext;
    return message;
  }

  /** The message leaves the queue. */
  passOver(message: QueuedMessage): void {
    if (this.#next !== message) return;
    this.#next = message.memberNext;
    this.#left--;
  }
}
