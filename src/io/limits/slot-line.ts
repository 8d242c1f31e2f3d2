/** Parties looked at for one that has more than its share, per slot that is wanted. */
const LOOKED_AT = 64;

interface Want {
  retry: () => void;
  stamp: number;
}

/** One that holds and wants slots on its own account: a ready queue. */
interface Party {
  readonly owner: object;
  held: number;
  leaving: number;
  /** Oldest first. */
  readonly wants: Set<Want>;
  /** Slots of connections with nothing in hand, idle for longest first. */
  readonly idle: Set<Holding>;
}

/**
 * Those in one shard who hold slots of a limit, or wait for one. Who holds none is served first, then who waits for
 * more, both in the order they came. What nobody in particular holds or wants counts as one party.
 */
export class SlotLine {
  readonly #parties = new Map<object, Party>();
  /** They wait and hold none. */
  readonly #hungry = new Set<Party>();
  /** They wait for more. */
  readonly #greedy = new Set<Party>();
  /** They have something idle. */
  readonly #idle = new Set<Party>();
  #stamp = 0;
  #leaving = 0;
  #wants = 0;

  /** Nobody holds or wants anything. */
  get isUnused(): boolean {
    return this.#parties.size === 0;
  }

  /** Slots whose holders are about to give them back. */
  get leaving(): number {
    return this.#leaving;
  }

  /** Parties that wait. */
  get waiting(): number {
    return this.#hungry.size + this.#greedy.size;
  }

  get hasIdle(): boolean {
    return this.#idle.size > 0;
  }

  /** Wants so far; see `next`. */
  get stamp(): number {
    return this.#stamp;
  }

  /** A slot was taken. */
  take(owner: object = this): Holding {
    const party = this.#party(owner);
    party.held++;
    if (this.#hungry.delete(party)) this.#greedy.add(party);
    return new Holding(this, party);
  }

  /** Gives a cancel, which says whether there was something left to withdraw. */
  want(retry: () => void, owner: object = this): () => boolean {
    const party = this.#party(owner);
    const want = { retry, stamp: ++this.#stamp };
    party.wants.add(want);
    this.#wants++;
    (party.held === 0 ? this.#hungry : this.#greedy).add(party);
    return () => {
      if (!party.wants.has(want)) return false;
      this.#drop(party, want);
      return true;
    };
  }

  /** Whose turn it is: takes it out of the line. Those that came after `stamp` are left for later. */
  next(stamp: number): (() => void) | undefined {
    if (this.#wants === 0) return undefined;
    for (const line of [this.#hungry, this.#greedy]) {
      for (const party of line) {
        const [want] = party.wants;
        if (want === undefined || want.stamp > stamp) continue;
        line.delete(party);
        // Its other wants come after those of the others.
        if (party.wants.size > 1) line.add(party);
        this.#drop(party, want);
        return want.retry;
      }
    }
    return undefined;
  }

  /** Parties that wait, other than the holder of that. */
  waitingBut(holding: Holding): number {
    return this.waiting - (holding.party.wants.size > 0 ? 1 : 0);
  }

  /**
   * Whether giving that up helps somebody: who is served next has none, or at least two fewer. Otherwise two busy
   * parties would trade every connection after each message.
   */
  isWanted({ party }: Holding): boolean {
    if (this.#hungry.size > 0) return true;
    for (const other of this.#greedy) if (other !== party) return this.#hasMore(party, other);
    return false;
  }

  /**
   * Has one idle holder give up its slot; false when there is none that should. `forOthers`: it helps another shard,
   * whoever gives it up.
   */
  tellOne(forOthers: boolean): boolean {
    const party = forOthers || this.#hungry.size > 0 ? first(this.#idle) : this.#richerThanNext();
    const holding = party && first(party.idle);
    if (holding === undefined) return false;
    holding.tell();
    return true;
  }

  /** For Holding. */
  leaves(party: Party): void {
    party.leaving++;
    this.#leaving++;
  }

  /** For Holding. */
  idles(holding: Holding, isIdle: boolean): void {
    const { party } = holding;
    if (isIdle) {
      party.idle.add(holding);
      this.#idle.add(party);
    } else if (party.idle.delete(holding) && party.idle.size === 0) this.#idle.delete(party);
  }

  /** For Holding. */
  givenBack(party: Party, wasLeaving: boolean): void {
    party.held--;
    if (wasLeaving) {
      party.leaving--;
      this.#leaving--;
    }
    if (party.held === 0 && this.#greedy.delete(party)) this.#hungry.add(party);
    this.#forgetUnused(party);
  }

  #party(owner: object): Party {
    let party = this.#parties.get(owner);
    if (party === undefined) {
      party = { owner, held: 0, leaving: 0, wants: new Set(), idle: new Set() };
      this.#parties.set(owner, party);
    }
    return party;
  }

  #drop(party: Party, want: Want): void {
    party.wants.delete(want);
    this.#wants--;
    if (party.wants.size > 0) return;
    this.#hungry.delete(party);
    this.#greedy.delete(party);
    this.#forgetUnused(party);
  }

  #forgetUnused(party: Party): void {
    if (party.held === 0 && party.wants.size === 0) this.#parties.delete(party.owner);
  }

  #hasMore(party: Party, other: Party): boolean {
    return party.held - party.leaving - (other.held - other.leaving) >= 2;
  }

  #richerThanNext(): Party | undefined {
    const next = first(this.#greedy);
    if (next === undefined) return undefined;
    for (let left = Math.min(this.#idle.size, LOOKED_AT); left > 0; left--) {
      const party = first(this.#idle)!;
      if (party !== next && this.#hasMore(party, next)) return party;
      // The next look begins with others.
      this.#idle.delete(party);
      this.#idle.add(party);
    }
    return undefined;
  }
}

/** A slot that a party holds. held → (idle ↔ held) → leaving → given back. */
export class Holding {
  readonly party: Party;
  readonly #line: SlotLine;
  #isLeaving = false;
  #isHeld = true;
  #onWanted: (() => void) | undefined;

  constructor(line: SlotLine, party: Party) {
    this.#line = line;
    this.party = party;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /** Its holder has nothing in hand, until the cancel is called. */
  onWanted(callback: () => void): () => void {
    if (!this.#isHeld || this.#isLeaving) return () => {};
    this.#onWanted = callback;
    this.#line.idles(this, true);
    return () => this.#stopIdling();
  }

  /** It is this one that is to be given back. */
  tell(): void {
    const callback = this.#onWanted;
    this.leave();
    callback?.();
  }

  /** Its holder is about to give it back. */
  leave(): void {
    if (!this.#isHeld || this.#isLeaving) return;
    this.#stopIdling();
    this.#isLeaving = true;
    this.#line.leaves(this.party);
  }

  /** False when that was done before. */
  giveBack(): boolean {
    if (!this.#isHeld) return false;
    this.#stopIdling();
    this.#isHeld = false;
    this.#line.givenBack(this.party, this.#isLeaving);
    return true;
  }

  #stopIdling(): void {
    if (this.#onWanted === undefined) return;
    this.#onWanted = undefined;
    this.#line.idles(this, false);
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  const [one] = set;
  return one;
}
