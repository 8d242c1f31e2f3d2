import { type AdminRule, AdminRules, type LiveRule, type RuledQueue } from './admin-rules.ts';
import type { Clock } from './clock.ts';
import type { MaybePromise } from './json.ts';

/** What administrators can do to queues (delivery.md section 10), named as in the HTTP API. */
export type AdminKind = 'bounce' | 'suspend' | 'suspend-ready-q';

export type NewRule = Omit<AdminRule, 'id'>;

/** A rule, and what it did in the whole process. */
export interface ListedRule {
  rule: AdminRule;
  total: number;
  /** Messages by queue. */
  byQueue: ReadonlyMap<string, number>;
}

/** What rules did in one shard, by their ids. */
export type AdminCounts = ReadonlyMap<string, { total: number; byQueue: ReadonlyMap<string, number> }>;

/** A change of the rules, for every shard alike. */
export type AdminChange =
  /** `sweep`: what waits in the queues is to be looked for at once. */
  | { action: 'put'; kind: AdminKind; rule: AdminRule; sweep: boolean }
  | { action: 'delete'; kind: AdminKind; id: string };

/** Where the rules of the process are changed and listed. */
export interface AdminPort {
  /** Resolves when every shard has the rule: its id, or why it cannot be had. */
  put(kind: AdminKind, rule: NewRule, sweep: boolean): MaybePromise<{ id: string } | { problem: string }>;
  list(kind: AdminKind): MaybePromise<ListedRule[]>;
  /** Whether there was such a rule. */
  delete(kind: AdminKind, id: string): MaybePromise<boolean>;
}

/** What is to become of a message because an administrator wants it. */
export type AdminVerdict = { kind: 'bounced'; by: LiveRule } | { kind: 'suspended'; by: LiveRule };

/** The rules that a shard obeys. They are in memory only, as in KumoMTA. */
export class AdminActions {
  readonly rules: Readonly<Record<AdminKind, AdminRules>> = {
    bounce: new AdminRules(),
    suspend: new AdminRules(),
    'suspend-ready-q': new AdminRules(),
  };
  readonly #clock: Pick<Clock, 'now'>;
  readonly #bounces: AdminRules;
  readonly #suspensions: AdminRules;
  readonly #readySuspensions: AdminRules;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
    this.#bounces = this.rules.bounce;
    this.#suspensions = this.rules.suspend;
    this.#readySuspensions = this.rules['suspend-ready-q'];
  }

  /** Gives the rule that was put. */
  apply(change: AdminChange): LiveRule | undefined {
    const rules = this.rules[change.kind];
    if (change.action === 'put') return rules.put(change.rule);
    rules.delete(change.id, this.#clock.now());
    return undefined;
  }

  /** What is to become of a message of this queue that is about to go on. Costs nothing while there are no rules. */
  verdict(queue: RuledQueue): AdminVerdict | undefined {
    if (this.#bounces.size + this.#suspensions.size === 0) return undefined;
    const now = this.#clock.now();
    const bounce = this.#bounces.size === 0 ? undefined : this.#bounces.match(queue, now);
    if (bounce !== undefined) return { kind: 'bounced', by: bounce };
    const suspension = this.#suspensions.size === 0 ? undefined : this.#suspensions.match(queue, now);
    return suspension && { kind: 'suspended', by: suspension };
  }

  /** The rule by which a message that enters this queue bounces. */
  bounceOf(queue: RuledQueue): LiveRule | undefined {
    return this.#bounces.size === 0 ? undefined : this.#bounces.match(queue, this.#clock.now());
  }

  /** A message of that queue has bounced. */
  bounced(by: LiveRule, queue: string): void {
    this.#bounces.count(by, queue);
  }

  isReadyQueueSuspended(name: string): boolean {
    if (this.#readySuspensions.size === 0) return false;
    return this.#readySuspensions.matchName(name, this.#clock.now()) !== undefined;
  }

  /** What the rules of a kind did here. */
  counts(kind: AdminKind): AdminCounts {
    const did = this.rules[kind].list(this.#clock.now()).filter(({ total }) => total > 0);
    return new Map(did.map(({ rule, total, byQueue }) => [rule.id, { total, byQueue }]));
  }
}

/** What a ledger needs of the owner of the rules. */
export interface LedgerParts {
  clock: Pick<Clock, 'now'>;
  newId: () => string;
  /** Resolves when every shard has the change. Called in the order of the changes. */
  spread?: (change: AdminChange) => Promise<unknown>;
  /** What the rules did in each shard. */
  collect?: (kind: AdminKind) => Promise<readonly AdminCounts[]>;
}

/** The one list of the rules of a process. Without shards, such as under `--validate`, it is all there is. */
export class AdminLedger implements AdminPort {
  readonly #actions: AdminActions;
  readonly #parts: LedgerParts;

  constructor(parts: LedgerParts) {
    this.#parts = parts;
    this.#actions = new AdminActions(parts.clock);
  }

  async put(kind: AdminKind, rule: NewRule, sweep: boolean): Promise<{ id: string } | { problem: string }> {
    const problem = this.#actions.rules[kind].problemWith(rule, this.#parts.clock.now());
    if (problem !== undefined) return { problem };
    const id = this.#parts.newId();
    const change: AdminChange = { action: 'put', kind, rule: { ...rule, id }, sweep };
    this.#actions.apply(change);
    await this.#parts.spread?.(change);
    return { id };
  }

  async list(kind: AdminKind): Promise<ListedRule[]> {
    const counts = (await this.#parts.collect?.(kind)) ?? [];
    const live = this.#actions.rules[kind].list(this.#parts.clock.now());
    return live.map(({ rule }) => added(rule, counts));
  }

  async delete(kind: AdminKind, id: string): Promise<boolean> {
    const isThere = this.#actions.rules[kind].delete(id, this.#parts.clock.now());
    if (isThere) await this.#parts.spread?.({ action: 'delete', kind, id });
    return isThere;
  }

  /** Every rule that holds now, as the changes that made it. */
  changes(): AdminChange[] {
    const now = this.#parts.clock.now();
    const kinds = Object.keys(this.#actions.rules) as AdminKind[];
    return kinds.flatMap((kind) =>
      this.#actions.rules[kind]
        .list(now)
        .map(({ rule }): AdminChange => ({ action: 'put', kind, rule, sweep: false })),
    );
  }
}

/** What a rule did in all shards together. */
function added(rule: AdminRule, counts: readonly AdminCounts[]): ListedRule {
  const byQueue = new Map<string, number>();
  let total = 0;
  for (const shard of counts) {
    const did = shard.get(rule.id);
    total += did?.total ?? 0;
    for (const [queue, count] of did?.byQueue ?? []) byQueue.set(queue, (byQueue.get(queue) ?? 0) + count);
  }
  return { rule, total, byQueue };
}
