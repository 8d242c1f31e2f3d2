import type { QueueNameParts } from './queue-name.ts';
import type { QueueSelector } from './queue-selector.ts';

/** What an administrator wants of some queues for a while. Plain data, so that it can be posted to a thread. */
export interface AdminRule {
  readonly id: string;
  readonly reason: string;
  /** Milliseconds since the epoch; from then on the rule is as if it had never been. */
  readonly expires: number;
  readonly selector: QueueSelector;
  /** Of bounces: no AdminBounce records. */
  readonly suppressLogging: boolean;
}

/** A queue, as rules look at it. */
export interface RuledQueue {
  readonly name: string;
  readonly parts: QueueNameParts;
}

/** Most rules of one kind at a time. */
const MOST_RULES = 10_000;
/** Most characters of all rules of one kind together. */
const MOST_TEXT = 16 * 1024 * 1024;
/** Most queues that are counted by name, over all rules of one kind. */
const MOST_NAMED = 100_000;
/** Rules that are over and that nobody meets any more are forgotten this often, ms. */
const PRUNE_EVERY = 1000;

/** A rule that is in force, with what it did. */
export class LiveRule {
  readonly rule: AdminRule;
  /** Counts the rules as they come. */
  readonly sequence: number;
  /** Messages that it was applied to. */
  total = 0;
  /** The same by queue; of very many queues not all are named. */
  readonly byQueue = new Map<string, number>();
  isRemoved = false;
  readonly #names: ReadonlySet<string> | undefined;

  constructor(rule: AdminRule, sequence: number) {
    this.rule = rule;
    this.sequence = sequence;
    const { queue_names } = rule.selector;
    if (queue_names !== undefined && queue_names.length > 0) this.#names = new Set(queue_names);
  }

  /** The only names it is about, when it names any. */
  get names(): ReadonlySet<string> | undefined {
    return this.#names;
  }

  isOver(now: number): boolean {
    return this.isRemoved || now >= this.rule.expires;
  }

  selects({ name, parts }: RuledQueue): boolean {
    if (this.#names !== undefined) return this.#names.has(name);
    const { campaign, tenant, domain, routing_domain } = this.rule.selector;
    return (
      (campaign === undefined || campaign === parts.campaign) &&
      (tenant === undefined || tenant === parts.tenant) &&
      (domain === undefined || domain === parts.domain) &&
      (routing_domain === undefined || routing_domain === parts.routingDomain)
    );
  }
}

/**
 * The rules of one kind, by their criteria: of those with the same only the newest holds. A queue finds its rule in a
 * few look-ups, however many rules there are: one for its name, and one for each set of parts that any rule gives.
 */
export class AdminRules {
  /** How many there are. While it is 0 nothing else need be asked. */
  size = 0;
  readonly #byId = new Map<string, LiveRule>();
  readonly #byCriteria = new Map<string, LiveRule>();
  readonly #byName = new Map<string, Set<LiveRule>>();
  /** How many rules give just these parts. */
  readonly #masks = new Map<number, number>();
  #text = 0;
  #named = 0;
  #sequence = 0;
  #nextPrune = 0;

  /** Why there is no place for one more such rule; undefined when there is. */
  problemWith(rule: Omit<AdminRule, 'id'>, now: number): string | undefined {
    this.#prune(now);
    const replaced = this.#byCriteria.get(criteriaOf(rule.selector));
    const count = this.size - (replaced === undefined ? 0 : 1);
    if (count >= MOST_RULES) return `there are ${count} such entries, which is the most: delete some first`;
    const text = this.#text - (replaced === undefined ? 0 : textOf(replaced.rule)) + textOf(rule);
    return text > MOST_TEXT ? 'the entries have too much text together: delete some first' : undefined;
  }

  /** The rule holds from now on, in place of the one with the same criteria. */
  put(rule: AdminRule): LiveRule {
    const key = criteriaOf(rule.selector);
    for (const old of [this.#byCriteria.get(key), this.#byId.get(rule.id)]) this.#remove(old);
    const live = new LiveRule(rule, this.#sequence++);
    this.#byId.set(rule.id, live);
    this.#byCriteria.set(key, live);
    for (const name of live.names ?? []) {
      const others = this.#byName.get(name);
      if (others === undefined) this.#byName.set(name, new Set([live]));
      else others.add(live);
    }
    if (live.names === undefined) {
      const mask = maskOf(rule.selector);
      this.#masks.set(mask, (this.#masks.get(mask) ?? 0) + 1);
    }
    this.#text += textOf(rule);
    this.size = this.#byId.size;
    return live;
  }

  /** Whether there was such a rule. */
  delete(id: string, now: number): boolean {
    const live = this.#byId.get(id);
    if (live === undefined) return false;
    const wasOver = live.isOver(now);
    this.#remove(live);
    return !wasOver;
  }

  /** Those that hold now, oldest first. */
  list(now: number): LiveRule[] {
    this.#prune(now);
    return [...this.#byId.values()];
  }

  /** The oldest rule for this queue. */
  match(queue: RuledQueue, now: number): LiveRule | undefined {
    let found = this.matchName(queue.name, now);
    for (const mask of this.#masks.keys()) {
      const key = keyOf(mask, queue.parts);
      const live = key === undefined ? undefined : this.#byCriteria.get(key);
      if (live === undefined || live.isOver(now)) continue;
      if (found === undefined || live.sequence < found.sequence) found = live;
    }
    return found;
  }

  /** The oldest rule that names this queue. */
  matchName(name: string, now: number): LiveRule | undefined {
    if (now >= this.#nextPrune) this.#prune(now);
    for (const live of this.#byName.get(name) ?? []) if (!live.isOver(now)) return live;
    return undefined;
  }

  /** The rule was applied to a message of that queue. */
  count(live: LiveRule, queue: string): void {
    live.total++;
    const before = live.byQueue.get(queue);
    if (before === undefined) {
      if (live.isRemoved || this.#named >= MOST_NAMED) return;
      this.#named++;
    }
    live.byQueue.set(queue, (before ?? 0) + 1);
  }

  #prune(now: number): void {
    this.#nextPrune = now + PRUNE_EVERY;
    for (const live of this.#byId.values()) if (live.isOver(now)) this.#remove(live);
  }

  #remove(live: LiveRule | undefined): void {
    if (live === undefined || live.isRemoved) return;
    live.isRemoved = true;
    this.#byId.delete(live.rule.id);
    this.#byCriteria.delete(criteriaOf(live.rule.selector));
    for (const name of live.names ?? []) {
      const others = this.#byName.get(name);
      others?.delete(live);
      if (others?.size === 0) this.#byName.delete(name);
    }
    if (live.names === undefined) {
      const mask = maskOf(live.rule.selector);
      const left = this.#masks.get(mask)! - 1;
      if (left === 0) this.#masks.delete(mask);
      else this.#masks.set(mask, left);
    }
    this.#text -= textOf(live.rule);
    this.#named -= live.byQueue.size;
    this.size = this.#byId.size;
  }
}

const CAMPAIGN = 1;
const TENANT = 2;
const DOMAIN = 4;
const ROUTING_DOMAIN = 8;

/** Which parts of a queue name the criteria give. */
function maskOf({ campaign, tenant, domain, routing_domain }: QueueSelector): number {
  return (
    (campaign === undefined ? 0 : CAMPAIGN) |
    (tenant === undefined ? 0 : TENANT) |
    (domain === undefined ? 0 : DOMAIN) |
    (routing_domain === undefined ? 0 : ROUTING_DOMAIN)
  );
}

/** Criteria that give just these parts, as this queue name has them; undefined when it lacks one. */
function keyOf(mask: number, parts: QueueNameParts): string | undefined {
  const { campaign, tenant, domain, routingDomain } = parts;
  if ((mask & CAMPAIGN) !== 0 && campaign === undefined) return undefined;
  if ((mask & TENANT) !== 0 && tenant === undefined) return undefined;
  if ((mask & ROUTING_DOMAIN) !== 0 && routingDomain === undefined) return undefined;
  return JSON.stringify([
    mask,
    (mask & CAMPAIGN) !== 0 ? campaign : 0,
    (mask & TENANT) !== 0 ? tenant : 0,
    (mask & DOMAIN) !== 0 ? domain : 0,
    (mask & ROUTING_DOMAIN) !== 0 ? routingDomain : 0,
  ]);
}

function criteriaOf(selector: QueueSelector): string {
  const { campaign, tenant, domain, routing_domain, queue_names } = selector;
  if (queue_names !== undefined && queue_names.length > 0) {
    return JSON.stringify(['names', ...new Set([...queue_names].sort())]);
  }
  const parts = { campaign, tenant, domain: domain ?? '', routingDomain: routing_domain };
  return keyOf(maskOf(selector), parts)!;
}

/** Characters of a rule, about. */
function textOf({ reason, selector }: Omit<AdminRule, 'id'>): number {
  const { campaign, tenant, domain, routing_domain, queue_names = [] } = selector;
  const own = [reason, campaign, tenant, domain, routing_domain, ...queue_names];
  return own.reduce((sum, text) => sum + (text?.length ?? 0) + 16, 0);
}
