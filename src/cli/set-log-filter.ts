import type { Command } from 'commander';
import { DiagnosticFilter } from '../io/diagnostics/index.ts';
import { print, printJson } from './output.ts';
import { asks, dryRunOption, serverCommand } from './server-command.ts';

/** `moonpost set-log-filter FILTER` */
export function setLogFilterCommand(): Command {
  const about = 'which diagnostic lines the server writes from now on';
  const command = serverCommand('set-log-filter', about).argument(
    '<filter>',
    'such as info,scheduled-queue=debug',
  );
  return asks(dryRunOption(command), async (server, { json, dryRun }, self) => {
    const filter = self.args[0]!;
    if (dryRun === true) {
      DiagnosticFilter.parse(filter);
      return print('the filter is valid; nothing was changed');
    }
    await server.text('POST', '/api/admin/set_diagnostic_log_filter/v1', { body: { filter } });
    if (json === true) printJson({ result: 'OK' });
    else print('OK');
  });
}
