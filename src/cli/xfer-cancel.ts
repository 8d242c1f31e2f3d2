import type { Command } from 'commander';
import { showPreview } from './dry-run.ts';
import { printJson } from './output.ts';
import { asks, dryRunOption, type ServerFlags, serverCommand } from './server-command.ts';

/** `moonpost xfer-cancel` */
export function xferCancelCommand(): Command {
  const about = 'take back the messages that wait to be sent to another node';
  const command = serverCommand('xfer-cancel', about)
    .argument('<queue>', 'such as http://10.0.0.1:8000/.xfer.kumomta.internal')
    .requiredOption('--reason <text>', 'why, for the records');
  return asks<ServerFlags & { reason: string }>(dryRunOption(command), async (server, flags, self) => {
    const body = { queue_name: self.args[0], reason: flags.reason };
    const path = '/api/admin/xfer/cancel/v1';
    if (flags.dryRun === true) return showPreview(server, path, body, 'take back', flags);
    printJson(await server.postJson(path, body));
  });
}
