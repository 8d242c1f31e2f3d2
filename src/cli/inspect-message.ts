import type { Command } from 'commander';
import { printJson } from './output.ts';
import { asks, type ServerFlags, serverCommand } from './server-command.ts';

/** `moonpost inspect-message ID` */
export function inspectMessageCommand(): Command {
  const command = serverCommand(
    'inspect-message',
    'a queued message: envelope, metadata and schedule, as JSON',
  )
    .argument('<id>', 'of the message, as in the records')
    .option('--want-body', 'the whole message too');
  return asks<ServerFlags & { wantBody?: boolean }>(command, async (server, { wantBody }, self) => {
    const query = { id: self.args[0], want_body: wantBody };
    printJson(await server.getJson('/api/admin/inspect-message/v1', { query }));
  });
}
