import type { Command } from 'commander';
import { showCancelPreview } from './dry-run.ts';
import { print, printJson } from './output.ts';
import { asks, dryRunOption, type ServerFlags, serverCommand } from './server-command.ts';
import { type Column, formatTable } from './table.ts';

/** Criteria of an entry, as lists show them. */
export interface EntryCriteria {
  campaign?: string | null;
  tenant?: string | null;
  domain?: string | null;
  routing_domain?: string | null;
  /** Exactly these queues, when there are any. */
  queue_names?: string[];
}

/** An entry of an administrator, as lists show it. */
export interface Entry extends EntryCriteria {
  id: string;
  reason: string;
  /** What remains of its time. */
  duration: string;
}

/** A command that lists entries: a table, or JSON as the server has it. */
export function listCommand<T extends Entry>(
  name: string,
  about: string,
  path: string,
  { columns, row }: { columns: readonly Column[]; row: (entry: T) => string[] },
): Command {
  return asks<ServerFlags>(serverCommand(name, about), async (server, { json }) => {
    const entries = await server.getJson<T[]>(path);
    if (json === true) printJson(entries);
    else print(formatTable(columns, entries.map(row)));
  });
}

/** A command that ends an entry before its time. */
export function cancelCommand(name: string, about: string, path: string): Command {
  const command = serverCommand(name, about).requiredOption('--id <id>', 'of the entry, as the list has it');
  return asks<ServerFlags & { id: string }>(dryRunOption(command), async (server, flags) => {
    const { id, json, dryRun } = flags;
    if (dryRun === true) return showCancelPreview(server, path, id, flags);
    const answer = (await server.text('DELETE', path, { body: { id } })).trim() || 'OK';
    if (json === true) printJson({ id, result: answer });
    else print(answer);
  });
}

/** Such as `campaign=x, tenant=y`. */
export function formatCriteria({ queue_names: names = [], ...criteria }: EntryCriteria): string {
  if (names.length > 0) return names.map((name) => `queue=${name}`).join(', ');
  const { campaign, tenant, domain, routing_domain } = criteria;
  const given = Object.entries({ campaign, tenant, domain, routing_domain }).filter(
    ([, value]) => value != null,
  );
  return given.length === 0 ? 'everything' : given.map(([name, value]) => `${name}=${value}`).join(', ');
}
