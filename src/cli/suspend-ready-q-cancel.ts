import type { Command } from 'commander';
import { cancelCommand } from './admin-entries.ts';

/** `moonpost suspend-ready-q-cancel` */
export function suspendReadyQueueCancelCommand(): Command {
  const about = 'end the suspension of a ready queue before its time';
  return cancelCommand('suspend-ready-q-cancel', about, '/api/admin/suspend-ready-q/v1');
}
