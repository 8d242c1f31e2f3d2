import { createHash } from 'node:crypto';
import {
  type Clock,
  leaseShare,
  SHARE_TURN,
  type ThrottleSpec,
  type Timer,
  throttleShare,
} from '../../model/index.ts';
import type { RedisCommands, RedisPort } from '../redis/index.ts';
import { SHOW_NODE } from './redis-scripts.ts';

const KEY = 'moonpost.nodes';
/** Seconds for which a node that is not seen any more counts as one of those that share. */
const REMEMBERED = 3600;
/** ms between two signs of life; also how soon an idle node notices that Redis is away. */
const SIGN_OF_LIFE = 5000;
/** Nodes to be assumed before Redis has said how many there are: one more then adds a tenth to what all send. */
const UNKNOWN = 10;
/** ms after a change between away and back in which no node takes more slots: all should have noticed. */
const SETTLING = 5000;

/**
 * What this node may take of the limits that it shares while Redis is away.
 * away → up → settling → up, and away again from either. The part is one of as many as there are nodes.
 */
export class RedisNodes {
  readonly #clock: Clock;
  readonly #nodeId: string;
  readonly #atLeast: number | undefined;
  #seen: string[] = [];
  #awaySince: number;
  #backSince: number | undefined;
  #emptyAt = 0;
  #serverTime = 0;
  #timer: Timer | undefined;
  #hasLeft = false;
  readonly #shares = new WeakMap<ThrottleSpec, { nodes: number; share: ThrottleSpec }>();

  constructor(clock: Clock, nodeId: string, atLeast: number | undefined) {
    this.#clock = clock;
    this.#nodeId = nodeId;
    this.#atLeast = atLeast;
    this.#awaySince = clock.monotonic();
  }

  /** How many nodes share, this one included. */
  get count(): number {
    return Math.max(this.#seen.length || (this.#atLeast ?? UNKNOWN), this.#atLeast ?? 1);
  }

  /** Monotonic ms since which Redis is away; while it is up, when it went last. */
  get awaySince(): number {
    return this.#awaySince;
  }

  /**
   * Seconds on the clock of the server: what was sent while it was away is not in its buckets, so that they count as
   * empty at that time. 0 when it was never away.
   */
  get emptyAt(): number {
    return this.#emptyAt;
  }

  /** Monotonic ms since which Redis is back after it was away. */
  get backSince(): number | undefined {
    return this.#backSince;
  }

  /** Redis is back since a moment ago; other nodes may not know yet. */
  get isSettling(): boolean {
    return this.#backSince !== undefined && this.#clock.monotonic() - this.#backSince < SETTLING;
  }

  throttle(spec: ThrottleSpec): ThrottleSpec {
    const nodes = this.count;
    let known = this.#shares.get(spec);
    if (known?.nodes !== nodes) {
      known = { nodes, share: throttleShare(spec, nodes) };
      this.#shares.set(spec, known);
    }
    return known.share;
  }

  /** Slots of a limit that this node may keep while Redis is away. */
  slots(limit: number): number {
    return this.#slotsAt(limit, this.#clock.now());
  }

  /** Slots of a limit up to which this node may take more: none until those who have more have had time to end. */
  slotsToTake(limit: number): number {
    if (this.#clock.monotonic() - this.#awaySince < SETTLING) return 0;
    const now = this.#clock.now();
    return Math.min(this.#slotsAt(limit, now), this.#slotsAt(limit, now - SETTLING));
  }

  /** Shows this node to the others. Rejects when Redis does not take it. */
  async show(commands: RedisCommands): Promise<void> {
    const reply = await commands.run(SHOW_NODE, KEY, [this.#nodeId, String(REMEMBERED)]);
    const [time, names, isNew] = reply as [Buffer, Buffer[], number];
    this.#serverTime = Number(String(time));
    // A Redis that has forgotten us has forgotten the others too; they are back before we show ourselves again.
    const remembered = isNew === 1 ? this.#seen : [];
    this.#seen = [...new Set([...remembered, ...names.map(String)])].sort();
  }

  /** Redis is up, and `show` has just been answered. `isFirst`: it was never away. */
  up(link: RedisPort, isFirst: boolean): void {
    if (!isFirst) {
      this.#emptyAt = this.#serverTime;
      this.#backSince = this.#clock.monotonic();
    }
    this.#showLater(link);
  }

  away(): void {
    this.#timer?.cancel();
    this.#awaySince = this.#clock.monotonic();
  }

  /** A node that ends leaves its part to the others. */
  async leave(link: RedisPort): Promise<void> {
    this.#hasLeft = true;
    this.#timer?.cancel();
    // Otherwise it is forgotten after a while.
    if (link.isUp) await link.send(KEY, ['ZREM', KEY, this.#nodeId]).catch(() => {});
  }

  #showLater(link: RedisPort): void {
    if (this.#hasLeft) return;
    this.#timer = this.#clock.after(SIGN_OF_LIFE, () => {
      this.show(link).then(
        () => this.#showLater(link),
        // A link that is away begins again; a refusal of this one command is as bad.
        (error: Error) => link.reportFailure(error.message),
      );
    });
  }

  #slotsAt(limit: number, time: number): number {
    const nodes = this.count;
    return leaseShare(limit, this.#rank(nodes), nodes, Math.floor(time / SHARE_TURN));
  }

  #rank(nodes: number): number {
    const rank = this.#seen.indexOf(this.#nodeId);
    if (rank >= 0) return rank;
    return createHash('sha1').update(this.#nodeId).digest().readUInt32BE(0) % nodes;
  }
}
