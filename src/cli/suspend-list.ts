import type { Command } from 'commander';
import { type Entry, formatCriteria, listCommand } from './admin-entries.ts';

/** `moonpost suspend-list` */
export function suspendListCommand(): Command {
  return listCommand<Entry>('suspend-list', 'scheduled queues that are suspended', '/api/admin/suspend/v1', {
    columns: [{ title: 'ID' }, { title: 'REASON' }, { title: 'REMAIN' }, { title: 'CRITERIA' }],
    row: (entry) => [entry.id, entry.reason, entry.duration, formatCriteria(entry)],
  });
}
