import type { Command } from 'commander';
import { showPreview } from './dry-run.ts';
import { note, print, printJson } from './output.ts';
import { durationText, selectorOf, selectorOptions } from './selector.ts';
import { asks, dryRunOption, type ServerFlags, serverCommand } from './server-command.ts';

interface BounceFlags extends ServerFlags {
  reason: string;
  duration?: string;
  suppressLogging?: boolean;
}

/** `moonpost bounce` */
export function bounceCommand(): Command {
  const command = selectorOptions(
    serverCommand('bounce', 'bounce the messages of queues, now and for a while'),
  )
    .requiredOption('--reason <text>', 'why, for the records')
    .option('--duration <time>', 'how long new arrivals bounce too (default: 5m)', durationText)
    .option('--suppress-logging', 'write no AdminBounce records');
  return asks<BounceFlags>(dryRunOption(command), async (server, flags, self) => {
    const { reason, duration, suppressLogging: suppress_logging, dryRun } = flags;
    const body = { ...selectorOf(self), reason, duration, suppress_logging };
    if (dryRun === true) return showPreview(server, '/api/admin/bounce/v1', body, 'bounce', flags);
    const answer = await server.postJson<{ id: string }>('/api/admin/bounce/v1', body);
    if (flags.json === true) return printJson(answer);
    print(answer.id);
    note('Messages bounce in the background; `moonpost bounce-list` counts them.');
  });
}
