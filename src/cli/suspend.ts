import type { Command } from 'commander';
import { showPreview } from './dry-run.ts';
import { printJson } from './output.ts';
import { durationText, selectorOf, selectorOptions } from './selector.ts';
import { asks, dryRunOption, type ServerFlags, serverCommand } from './server-command.ts';

interface SuspendFlags extends ServerFlags {
  reason: string;
  duration?: string;
}

/** `moonpost suspend` */
export function suspendCommand(): Command {
  const command = selectorOptions(serverCommand('suspend', 'hold the mail of scheduled queues for a while'))
    .requiredOption('--reason <text>', 'why, for the records')
    .option('--duration <time>', 'how long (default: 5m)', durationText);
  return asks<SuspendFlags>(dryRunOption(command), async (server, flags, self) => {
    const { reason, duration, dryRun } = flags;
    const body = { ...selectorOf(self), reason, duration };
    if (dryRun === true) return showPreview(server, '/api/admin/suspend/v1', body, 'hold', flags);
    printJson(await server.postJson('/api/admin/suspend/v1', body));
  });
}
