import type { CoordinatorLine } from './coordinator-line.ts';
import type { ReadyQueues } from './flow/ready-queue/index.ts';
import type { RebindRequest, ScheduledQueues } from './flow/scheduled-queue/index.ts';
import { systemClock } from './io/clock/index.ts';
import { AdminActions, type AdminChange, type AdminPort, type Diagnostics } from './model/index.ts';

/** The rooms of a shard with mail in them, as far as they are open. */
export interface AdministeredRooms {
  readonly queues: ScheduledQueues | undefined;
  readonly ready: ReadyQueues | undefined;
}

/** What administrators do, in one shard: asked of the coordinator by its clients, and obeyed when the coordinator says so. */
export class ShardAdmin {
  readonly actions = new AdminActions(systemClock);
  /** For the HTTP clients and the policy of this shard. */
  readonly port: AdminPort;
  readonly #diagnostics: Diagnostics;

  constructor(coordinator: CoordinatorLine, diagnostics: Diagnostics) {
    this.#diagnostics = diagnostics;
    this.port = {
      put: (kind, rule, sweep) => coordinator.ask('admin-put', { kind, rule, sweep }),
      list: (kind) => coordinator.ask('admin-list', kind),
      delete: (kind, id) => coordinator.ask('admin-delete', { kind, id }),
    };
  }

  /** The rules change, in every shard alike. */
  apply(change: AdminChange, { queues, ready }: AdministeredRooms): void {
    const live = this.actions.apply(change);
    if (change.action === 'delete') return;
    if (change.sweep) queues?.sweep(live!);
    if (change.kind !== 'suspend-ready-q') return;
    for (const queue of ready?.live() ?? []) if (live!.names?.has(queue.name)) queue.suspended();
  }

  /** Goes on beside everything else. */
  rebind(request: RebindRequest, { queues }: AdministeredRooms): void {
    if (queues === undefined) throw new Error('waiting for spool startup. Try again soon!');
    // Does not reject.
    void queues.rebind(request).then(({ messages, moved }) => {
      const text = `${verbOf(request)} (${request.reason}): ${messages} messages looked at, ${moved} moved`;
      this.#diagnostics.info('scheduled-queue', text);
    });
  }
}

function verbOf({ transfer }: RebindRequest): string {
  if (transfer === undefined) return 'rebind';
  return transfer === 'cancel' ? 'xfer-cancel' : `xfer to ${transfer.to}`;
}
