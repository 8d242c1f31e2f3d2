import type { Command } from 'commander';
import { type Ceilings, formatCeilings, type Json } from '../model/index.ts';
import { formatToml } from '../model/texts/index.ts';
import { plain, print, printJson } from './output.ts';
import { asks, type ServerFlags, serverCommand } from './server-command.ts';

/** As GET /api/admin/resolve-egress-path/v1 answers (operations.md 5.10). */
export interface EgressPathAnswer {
  domain: string;
  source: string;
  mx: { site_name: string; by_preference: Record<string, string[]> } | null;
  /** Ours: the site, also where there are no MX. */
  site_name: string;
  queue_name: string;
  queue_config: { [key: string]: Json };
  path_config: { [key: string]: Json };
  constraints: Ceilings;
}

interface ResolveFlags extends ServerFlags {
  config?: boolean;
  constraints?: boolean;
}

/** `moonpost resolve-egress-path DOMAIN [SOURCE]` */
export function resolveEgressPathCommand(): Command {
  const command = serverCommand(
    'resolve-egress-path',
    'how a running server would send mail to a domain from a source',
  )
    .argument('<domain>', 'a domain, or the name of a scheduled queue')
    .argument('[source]', 'egress source', 'unspecified')
    .option('--config', 'only the configurations of queue and path, as TOML')
    .option('--constraints', 'only the ceilings');
  return asks<ResolveFlags>(command, async (server, flags, self) => {
    const { json, config, constraints } = flags;
    if ([json, config, constraints].filter((flag) => flag === true).length > 1) {
      self.error('error: only one of --json, --config and --constraints');
    }
    const [domain, source] = self.processedArgs as [string, string];
    const query = { domain, source };
    const answer = await server.getJson<EgressPathAnswer>('/api/admin/resolve-egress-path/v1', { query });
    if (json === true) printJson(answer);
    else if (config === true) print(formatConfig(answer));
    else if (constraints === true) print(formatCeilings(answer.constraints));
    else print(formatEgressPath(answer));
  });
}

/** The answer for people, in short. */
export function formatEgressPath({
  domain,
  source,
  mx,
  site_name,
  queue_name,
  constraints,
}: EgressPathAnswer): string {
  const hosts = Object.entries(mx?.by_preference ?? {}).map(
    ([preference, names]) => `mx           ${preference} ${names.join(', ')}`,
  );
  return [
    `queue        ${queue_name}`,
    `domain       ${domain}`,
    `source       ${source}`,
    `site         ${site_name}`,
    ...hosts,
    '',
    formatCeilings(constraints),
  ]
    .map((line) => line.split('\n').map(plain).join('\n'))
    .join('\n');
}

function formatConfig({ queue_config, path_config }: EgressPathAnswer): string {
  return formatToml({ queue: withoutNull(queue_config), path: withoutNull(path_config) });
}

/** TOML has no null. */
export function withoutNull(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutNull);
  if (typeof value !== 'object' || value === null) return value;
  const there = Object.entries(value).filter(([, one]) => one !== null);
  return Object.fromEntries(there.map(([key, one]) => [key, withoutNull(one)]));
}
