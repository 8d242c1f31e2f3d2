import type { Command } from 'commander';
import { cidrOption, type TraceFlags, traceCommand } from './trace-command.ts';

/** `moonpost trace-smtp-server` */
export function traceSmtpServerCommand(): Command {
  return traceCommand<TraceFlags & { source?: string[] }>(
    'server',
    'show what clients of the server say and hear, as it happens',
    [cidrOption('--source <cidr>', 'clients at these addresses')],
    ({ source }) => (source === undefined ? {} : { source_addr: source }),
  );
}
