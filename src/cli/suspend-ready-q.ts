import type { Command } from 'commander';
import { showPreview } from './dry-run.ts';
import { printJson } from './output.ts';
import { durationText } from './selector.ts';
import { asks, dryRunOption, type ServerFlags, serverCommand } from './server-command.ts';

interface SuspendReadyFlags extends ServerFlags {
  name: string;
  reason: string;
  duration?: string;
}

/** `moonpost suspend-ready-q` */
export function suspendReadyQueueCommand(): Command {
  const command = serverCommand('suspend-ready-q', 'send no mail through a ready queue for a while')
    .requiredOption('--name <queue>', 'ready queue, such as SOURCE->SITE@smtp_client')
    .requiredOption('--reason <text>', 'why, for the records')
    .option('--duration <time>', 'how long (default: 5m)', durationText);
  return asks<SuspendReadyFlags>(dryRunOption(command), async (server, flags) => {
    const { name, reason, duration, dryRun } = flags;
    const body = { name, reason, duration };
    const path = '/api/admin/suspend-ready-q/v1';
    if (dryRun === true) return showPreview(server, path, body, 'look for another source for', flags);
    printJson(await server.postJson(path, body));
  });
}
