import { randomUUID } from 'node:crypto';
import { systemClock } from './io/clock/index.ts';
import { AdminLedger } from './model/index.ts';
import type { ShardPool } from './shard-pool.ts';

/** The rules of the administrators, for the whole process. They may come before there are shards, from `init`. */
export class ProcessAdmin {
  #shards: ShardPool | undefined;
  readonly ledger = new AdminLedger({
    clock: systemClock,
    newId: randomUUID,
    spread: async (change) => this.#shards?.askAll('admin-change', change),
    collect: async (kind) => (await this.#shards?.askAll('admin-counts', kind)) ?? [],
  });

  /** The shards obey from now on. */
  attach(shards: ShardPool): void {
    this.#shards = shards;
    // A shard that cannot answer is lost, and says so itself.
    for (const change of this.ledger.changes()) shards.askAll('admin-change', change).catch(() => {});
  }
}
