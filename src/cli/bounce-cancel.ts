import type { Command } from 'commander';
import { cancelCommand } from './admin-entries.ts';

/** `moonpost bounce-cancel` */
export function bounceCancelCommand(): Command {
  return cancelCommand('bounce-cancel', 'end an entry of bounce before its time', '/api/admin/bounce/v1');
}
