import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../model/index.ts';

/** Which scheduled queues, as the endpoints take it (operations.md section 5). */
export interface SelectorFlags {
  domain?: string;
  routingDomain?: string;
  campaign?: string;
  tenant?: string;
  queue?: string[];
  everything?: boolean;
}

const CRITERIA = ['domain', 'routingDomain', 'campaign', 'tenant'] as const;

/** Adds the options that say which queues are meant. */
export function selectorOptions(command: Command): Command {
  const others = [...CRITERIA];
  return command
    .option('--domain <name>', 'queues of this domain')
    .option('--routing-domain <name>', 'queues of this routing domain')
    .option('--campaign <name>', 'queues of this campaign')
    .option('--tenant <name>', 'queues of this tenant')
    .addOption(
      new Option('--queue <name>', 'exactly this queue (may be repeated)')
        .argParser((name: string, names: string[] | undefined) => [...(names ?? []), name])
        .conflicts([...others, 'everything']),
    )
    .addOption(new Option('--everything', 'all queues').conflicts(others));
}

/** The criteria for a request. Ends with a usage error when nothing says which queues. */
export function selectorOf(command: Command): Record<string, unknown> {
  const flags = command.opts<SelectorFlags>();
  const { domain, routingDomain: routing_domain, campaign, tenant, queue } = flags;
  const isGiven = flags.everything === true || queue !== undefined || CRITERIA.some((name) => flags[name]);
  if (!isGiven) {
    command.error(
      'error: say which queues: --domain, --routing-domain, --campaign, --tenant, --queue or --everything',
    );
  }
  return { domain, routing_domain, campaign, tenant, queue_names: queue };
}

/** A duration for a request, as it was given. */
export function durationText(text: string): string {
  if (parseDuration(text) === undefined)
    throw new InvalidArgumentError('must be a duration such as 5m or 1h 30m');
  return text;
}

/** A whole number from 0. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('must be a whole number');
  return Number(text);
}
