import type { Command } from 'commander';
import { type Entry, listCommand } from './admin-entries.ts';

/** As GET /api/admin/suspend-ready-q/v1 lists it. */
export interface ReadyEntry extends Entry {
  name: string;
}

/** `moonpost suspend-ready-q-list` */
export function suspendReadyQueueListCommand(): Command {
  const about = 'ready queues that are suspended';
  return listCommand<ReadyEntry>('suspend-ready-q-list', about, '/api/admin/suspend-ready-q/v1', {
    columns: [{ title: 'ID' }, { title: 'NAME' }, { title: 'REASON' }, { title: 'REMAIN' }],
    row: (entry) => [entry.id, entry.name, entry.reason, entry.duration],
  });
}
