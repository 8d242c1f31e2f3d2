import type { Command } from 'commander';
import type { TraceRequest } from '../model/index.ts';
import { cidrOption, listOption, type TraceFlags, traceCommand } from './trace-command.ts';

/** Options, and what each is called in the request. */
const LISTS = {
  source: 'source_addr',
  mxAddr: 'mx_addr',
  mxHost: 'mx_host',
  domain: 'domain',
  routingDomain: 'routing_domain',
  campaign: 'campaign',
  tenant: 'tenant',
  egressPool: 'egress_pool',
  egressSource: 'egress_source',
  mailFrom: 'mail_from',
  rcptTo: 'rcpt_to',
  readyQueue: 'ready_queue',
} as const;

type Flags = TraceFlags & Partial<Record<keyof typeof LISTS, string[]>>;

/** `moonpost trace-smtp-client` */
export function traceSmtpClientCommand(): Command {
  return traceCommand<Flags>(
    'client',
    'show what the server says to others and what they answer, as it happens',
    [
      cidrOption('--source <cidr>', 'sessions from these addresses of ours'),
      cidrOption('--mx-addr <cidr>', 'sessions with hosts at these addresses'),
      listOption('--mx-host <name>', 'sessions with this host'),
      listOption('--domain <name>', 'messages to this domain'),
      listOption('--routing-domain <name>', 'messages that are routed as those to this domain'),
      listOption('--campaign <name>', 'messages of this campaign'),
      listOption('--tenant <name>', 'messages of this tenant'),
      listOption('--egress-pool <name>', 'sessions of this pool'),
      listOption('--egress-source <name>', 'sessions of this source'),
      listOption('--mail-from <address>', 'messages from this sender'),
      listOption('--rcpt-to <address>', 'messages with this recipient'),
      listOption('--ready-queue <name>', 'sessions of this ready queue'),
    ],
    requestOf,
  );
}

function requestOf(flags: Flags): TraceRequest {
  const given = Object.entries(LISTS).map(([flag, list]) => [list, flags[flag as keyof typeof LISTS]]);
  return Object.fromEntries(given.filter(([, wanted]) => wanted !== undefined));
}
