import type { Command } from 'commander';
import { showPreview } from './dry-run.ts';
import { note, printJson } from './output.ts';
import { selectorOf, selectorOptions } from './selector.ts';
import { asks, dryRunOption, type ServerFlags, serverCommand } from './server-command.ts';

/** `moonpost xfer` */
export function xferCommand(): Command {
  const command = selectorOptions(serverCommand('xfer', 'send the messages of queues to another node'))
    .requiredOption('--reason <text>', 'why, for the records')
    .requiredOption('--target <url>', 'HTTP listener of the other node, such as http://10.0.0.1:8000');
  return asks<ServerFlags & { reason: string; target: string }>(
    dryRunOption(command),
    async (server, flags, self) => {
      const { reason, target, dryRun, json } = flags;
      const body = { ...selectorOf(self), reason, target };
      const path = '/api/admin/xfer/v1';
      if (dryRun === true) return showPreview(server, path, body, 'transfer', flags);
      const answer = await server.postJson(path, body);
      if (json === true) return printJson(answer);
      note(
        'Messages are sent in the background; XferOut records say which, `moonpost queue-summary` how many wait.',
      );
    },
  );
}
