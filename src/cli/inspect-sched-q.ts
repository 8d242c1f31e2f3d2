import type { Command } from 'commander';
import { printJson } from './output.ts';
import { wholeNumber } from './selector.ts';
import { asks, type ServerFlags, serverCommand } from './server-command.ts';

interface InspectFlags extends ServerFlags {
  wantBody?: boolean;
  /** False for `--no-limit`. */
  limit: number | false;
}

/** `moonpost inspect-sched-q QUEUE` */
export function inspectScheduledQueueCommand(): Command {
  const command = serverCommand('inspect-sched-q', 'a scheduled queue: configuration and messages, as JSON')
    .argument('<queue>', 'such as campaign:tenant@domain')
    .option('--want-body', 'the whole messages too')
    .option('--limit <count>', 'messages at most', wholeNumber, 5)
    .option('--no-limit', 'as many messages as the server gives');
  return asks<InspectFlags>(command, async (server, { wantBody, limit }, self) => {
    const query = {
      queue_name: self.args[0],
      want_body: wantBody,
      limit: limit === false ? undefined : limit,
    };
    printJson(await server.getJson('/api/admin/inspect-sched-q/v1', { query }));
  });
}
