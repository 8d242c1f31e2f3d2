import type { Command } from 'commander';
import { type Entry, formatCriteria, listCommand } from './admin-entries.ts';
import { formatCount } from './table.ts';

/** As GET /api/admin/bounce/v1 lists it. */
export interface BounceEntry extends Entry {
  total_bounced: number;
}

/** `moonpost bounce-list` */
export function bounceListCommand(): Command {
  return listCommand<BounceEntry>(
    'bounce-list',
    'entries of bounce, and what they did',
    '/api/admin/bounce/v1',
    {
      columns: [
        { title: 'ID' },
        { title: 'REASON' },
        { title: 'REMAIN' },
        { title: 'BOUNCED', right: true },
        { title: 'CRITERIA' },
      ],
      row: (entry) => [
        entry.id,
        entry.reason,
        entry.duration,
        formatCount(entry.total_bounced),
        formatCriteria(entry),
      ],
    },
  );
}
