import type { Command } from 'commander';
import { note, printJson } from './output.ts';
import { asks, dryRunOption, type ServerFlags, serverCommand } from './server-command.ts';

/** `moonpost spool-compact` */
export function spoolCompactCommand(): Command {
  const command = serverCommand(
    'spool-compact',
    'give back at once what space of the spool can be given back',
  ).requiredOption('--name <name>', 'of the spool: data or meta');
  return asks<ServerFlags & { name: string }>(
    dryRunOption(command),
    async (server, { name, json, dryRun }) => {
      await server.text('POST', '/api/admin/spool-compact/v1', { body: { name, dry_run: dryRun } });
      if (json === true) printJson({ result: 'OK' });
      if (dryRun === true) note('It touches no message. Nothing was changed.');
    },
  );
}
