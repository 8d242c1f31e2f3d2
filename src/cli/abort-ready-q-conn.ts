import type { Command } from 'commander';
import { print, printJson } from './output.ts';
import { asks, dryRunOption, type ServerFlags, serverCommand } from './server-command.ts';

/** `moonpost abort-ready-q-conn QUEUE SESSION` */
export function abortReadyQueueConnectionCommand(): Command {
  const about = 'end a connection; its messages go back, and another connection takes its place';
  const command = serverCommand('abort-ready-q-conn', about)
    .argument('<queue>', 'such as source->mx.example.com@smtp_client')
    .argument('<session>', 'id that `inspect-ready-q --connections` shows');
  return asks<ServerFlags>(dryRunOption(command), async (server, { json, dryRun }, self) => {
    const [queue_name, session_id] = self.args;
    const body = { queue_name, session_id, dry_run: dryRun };
    const result = (await server.text('POST', '/api/admin/abort-ready-q-conn/v1', { body })).trim();
    if (json === true) printJson({ result });
    else print(result);
  });
}
