import { resolve } from 'node:path';
import { Command } from 'commander';
import { systemClock } from '../io/clock/index.ts';
import { buildResolver } from '../io/dns/index.ts';
import {
  effectiveOptions,
  formatCeilings,
  formatJsonPretty,
  type Json,
  mxListSiteName,
  parseQueueName,
  pathCeilings,
  type QueueNameParts,
  queueCeilings,
  resolveMx,
} from '../model/index.ts';
import {
  EgressPath,
  egressPathOptions,
  QueueConfig,
  type QueueOptions,
  queueOptions,
} from '../model/options/index.ts';
import type { InspectedPolicy } from '../policy-inspect.ts';
import { formatEffective, shownJson } from './effective-text.ts';
import { endSoon, policyFile } from './serve.ts';

interface ShapingDomainFlags {
  policy?: string;
  json?: boolean;
  jsonConfig?: boolean;
  jsonQueueConfig?: boolean;
  jsonConstraints?: boolean;
}

const POLICY = ['--policy <file>', 'policy to ask (env POLICY_PATH; default as for the server)'] as const;

/** `moonpost resolve-shaping-domain DOMAIN [SOURCE]` */
export function resolveShapingDomainCommand(): Command {
  return new Command('resolve-shaping-domain')
    .description('what holds for mail to a domain from a source: every option, and where it was said')
    .argument('<domain>', 'a domain, or the name of a scheduled queue such as tenant@domain')
    .argument('[source]', 'egress source', 'unspecified')
    .option(...POLICY)
    .option('--json', 'all of it, as one JSON document')
    .option('--json-queue-config', 'the configuration of the queue, as JSON')
    .option('--json-config', 'the configuration of the path, as JSON')
    .option('--json-constraints', 'the ceilings, as JSON')
    .action((domain: string, source: string, _: unknown, self: Command) =>
      withPolicy(self, (policy) => resolveDomain(policy, domain, source, self.optsWithGlobals())),
    );
}

/** `moonpost resolve-queue-config QUEUE` */
export function resolveQueueConfigCommand(): Command {
  return new Command('resolve-queue-config')
    .description('how a scheduled queue is configured: every option, and where it was said')
    .argument('<queue>', 'such as campaign:tenant@domain')
    .option(...POLICY)
    .option('--json', 'with the places, as JSON')
    .option('--json-config', 'the configuration alone, as JSON')
    .action((queue: string, _: unknown, self: Command) =>
      withPolicy(self, async (policy) => {
        const { json, jsonConfig } = self.optsWithGlobals<ShapingDomainFlags>();
        const parts = parseQueueName(queue);
        const options = await policy.queueConfig(parts);
        if (jsonConfig === true) return print(new QueueConfig(options).asJson());
        const effective = await explainedQueue(policy, parts, options);
        if (json === true) return print({ queue, options: shownJson(effective) });
        process.stdout.write(formatEffective(`Queue ${queue}`, effective));
      }),
    );
}

/** `moonpost resolve-site-name DOMAIN` */
export function resolveSiteNameCommand(): Command {
  return new Command('resolve-site-name')
    .description('the name of the site that takes the mail of a domain')
    .argument('<domain>')
    .option('--policy <file>', 'policy that says how DNS is asked (default: the resolver of the system)')
    .action(async (domain: string, _: unknown, self: Command) => {
      const { policy: file } = self.optsWithGlobals<ShapingDomainFlags>();
      const site = async (policy?: InspectedPolicy): Promise<void> => {
        const system = () => resolveMx(domain, buildResolver({ kind: 'system' }, systemClock));
        const { siteName } = await (policy === undefined ? system() : policy.site(domain));
        process.stdout.write(`${siteName}\n`);
      };
      await (file === undefined ? site() : withPolicy(self, site));
    });
}

/** Loads the policy that the flags name for one question. */
async function withPolicy(self: Command, ask: (policy: InspectedPolicy) => Promise<void>): Promise<void> {
  const { policy: file } = self.optsWithGlobals<ShapingDomainFlags>();
  // Loaded only now: the other commands need none of it.
  const { InspectedPolicy } = await import('../policy-inspect.ts');
  // `moonpost … | head` closes our output; that is the end, not an error.
  process.stdout.once('error', () => process.exit());
  const path = resolve(policyFile(file ?? process.env.POLICY_PATH));
  const policy = await InspectedPolicy.open(path, warn);
  try {
    await ask(policy);
  } finally {
    policy.close();
    endSoon();
  }
}

function warn(text: string): void {
  process.stderr.write(`Warning: ${text}\n`);
}

function print(value: Json): void {
  process.stdout.write(`${formatJsonPretty(value)}\n`);
}

/** An explanation that fails is told, and leaves all options without one. */
async function explained<T>(asked: Promise<T[]>): Promise<T[]> {
  try {
    return await asked;
  } catch (error) {
    warn((error as Error).message);
    return [];
  }
}

async function explainedQueue(policy: InspectedPolicy, parts: QueueNameParts, options: QueueOptions) {
  return effectiveOptions(queueOptions, options, await explained(policy.explainQueue(parts)));
}

async function resolveDomain(
  policy: InspectedPolicy,
  name: string,
  source: string,
  flags: ShapingDomainFlags,
): Promise<void> {
  const parts = parseQueueName(name);
  const domain = parts.routingDomain ?? parts.domain;
  const queue = await policy.queueConfig(parts);
  const { site, hosts } = await siteFor(policy, domain, queue);
  const path = await policy.pathConfig(domain, source, site);
  const ceilings = pathCeilings(path, queueCeilings(queue));
  const documents = [
    [flags.jsonQueueConfig, () => new QueueConfig(queue).asJson()],
    [flags.jsonConfig, () => pathJson(new EgressPath(path))],
    [flags.jsonConstraints, () => ceilings as unknown as Json],
  ] as const;
  const wanted = documents.filter(([flag]) => flag === true);
  for (const [, document] of wanted) print(document());
  if (wanted.length > 0) return;

  const queueEffective = await explainedQueue(policy, parts, queue);
  const asked = await explained(policy.explainPath(domain, source, site));
  const pathEffective = effectiveOptions(egressPathOptions, path, asked);
  if (flags.json === true) {
    return print({
      domain,
      source,
      site,
      mx: hosts,
      queue: { name, options: shownJson(queueEffective) },
      path: { options: shownJson(pathEffective) },
      constraints: ceilings as unknown as Json,
    });
  }
  process.stdout.write(
    [
      formatEffective(`Queue ${name}`, queueEffective),
      formatEffective(`Path of ${domain} from source ${source}, site ${site}`, pathEffective),
      `# Ceilings\n${formatCeilings(ceilings)}`,
    ].join('\n'),
  );
}

/** The site by MX as it is now; the domain itself for what is not sent there, and where DNS does not say. */
async function siteFor(
  policy: InspectedPolicy,
  domain: string,
  queue: QueueOptions,
): Promise<{ site: string; hosts: string[] }> {
  const { protocol } = queue;
  if (protocol.kind !== 'smtp') return { site: domain, hosts: [] };
  if (protocol.mx_list.length > 0) return { site: mxListSiteName(protocol.mx_list), hosts: [] };
  try {
    const { siteName, groups } = await policy.site(domain);
    return { site: siteName, hosts: groups.flatMap((group) => group.hosts) };
  } catch (error) {
    warn(`${(error as Error).message}; the domain stands for its site`);
    return { site: domain, hosts: [] };
  }
}

/** As KumoMTA has it: without the options of its TLS libraries. */
function pathJson(path: EgressPath): Json {
  const { openssl_options, rustls_cipher_suites, ...rest } = path.asJson();
  return rest;
}
