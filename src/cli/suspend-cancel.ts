import type { Command } from 'commander';
import { cancelCommand } from './admin-entries.ts';

/** `moonpost suspend-cancel` */
export function suspendCancelCommand(): Command {
  return cancelCommand('suspend-cancel', 'end a suspension before its time', '/api/admin/suspend/v1');
}
