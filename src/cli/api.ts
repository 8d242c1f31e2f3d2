import { Command } from 'commander';
import type { ApiDescription } from './api-description.ts';

/** `moonpost api [--json]` */
export function apiCommand(): Command {
  return new Command('api')
    .description('print everything that is declared')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }, self: Command) => {
      // Loaded only now: it is all of the product, and the other commands need none of it.
      const { describeApi } = await import('./api-description.ts');
      const description = describeApi(self.parent!.commands.map((command) => command.name()));
      process.stdout.write(
        options.json === true ? `${JSON.stringify(description, null, 1)}\n` : summary(description),
      );
    });
}

function summary(description: ApiDescription): string {
  const counts = Object.entries(description).map(
    ([kind, list]) => `${kind.padEnd(12)} ${(list as unknown[]).length}`,
  );
  return `${counts.join('\n')}\n`;
}
