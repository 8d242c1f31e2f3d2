import { luaNull } from '../../lua/index.ts';
import {
  anyValue,
  type CallContext,
  defineFunction,
  makeKind,
  type OptionsDeclaration,
  optional,
  parseOptions,
  type RichKind,
  string,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import {
  type Ceiling,
  type Ceilings,
  DEFERRED_INJECTION_QUEUE,
  formatCeilings,
  GENERATOR_QUEUE,
  type Json,
  NULL_QUEUE,
  parseQueueName,
  pathCeilings,
  queueCeilings,
} from '../../model/index.ts';
import {
  EgressPath,
  type EgressPathOptions,
  EgressPool,
  EgressSource,
  egressPathOptions,
  egressSourceOptions,
  QueueConfig,
  type QueueOptions,
  queueOptions,
  unspecifiedEgressPool,
} from '../../model/options/index.ts';
import { formatToml } from '../../model/texts/index.ts';

const BUILT_IN_QUEUES = new Set([NULL_QUEUE, DEFERRED_INJECTION_QUEUE, GENERATOR_QUEUE]);
const UNSPECIFIED = 'unspecified';

/** Fires an event that gives a config object; undefined where nobody handles it. */
async function ask<T extends object>(
  context: CallContext,
  event: string,
  args: readonly unknown[],
  Config: new (options: never) => T,
): Promise<T | undefined> {
  const result = await context.fire(event, args);
  if (result.kind === 'absent') return undefined;
  if (result.kind === 'error') throw new Error(`${event}: ${result.message}`);
  if (result.kind === 'reject') throw new Error(`${event}: ${result.code} ${result.text}`);
  const [value] = result.values;
  if (value instanceof Config) return value;
  throw new Error(`${event} did not return a configuration`);
}

/** The options as a table of Lua; what is unset is NULL (policy-api.md 1.2). */
function tableOf(config: { entries(): Record<string, unknown> }, without: readonly string[] = []): unknown {
  const entries = Object.entries(config.entries()).filter(([name]) => !without.includes(name));
  return withNulls(Object.fromEntries(entries));
}

function withNulls(value: unknown): unknown {
  if (value === null || value === undefined) return luaNull;
  if (Array.isArray(value)) return value.map(withNulls);
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withNulls(inner)]));
}

/** A config object, or the table that an invoke_ function gave of one. */
function configArgument<T>(
  Config: new (options: T) => { options: T },
  declaration: OptionsDeclaration<T>,
): RichKind<T> {
  const name = `${declaration.luaClass}|table`;
  return makeKind(name, name, (value) =>
    value instanceof Config ? value.options : parseOptions(declaration, value),
  );
}

const path: RichKind<EgressPathOptions> = configArgument(EgressPath, egressPathOptions);
const queue: RichKind<QueueOptions> = configArgument(QueueConfig, queueOptions);
const CEILING = '{value: number, source: {kind: string, name: string?}, display: string}';
const CEILINGS = `{max_concurrent_dispatchers: ${CEILING}, max_message_rate: ${CEILING}, max_message_rate_declared: string, max_connection_rate: ${CEILING}, max_source_selection_rate: ${CEILING}}`;

function tomlFormatter(doc: string): UnnamedFunction {
  return defineFunction({
    params: { config: anyValue() },
    returns: 'string',
    doc: `${doc} What is unset is left out.`,
    call: ({ config }) => formatToml(withoutNulls(config), { pretty: true, compact: true }),
  });
}

function withoutNulls(value: Json): Json {
  if (Array.isArray(value)) return value.filter((entry) => entry !== null).map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  const there = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(there.map(([name, inner]) => [name, withoutNulls(inner)]));
}

/** Ceilings that came from Lua: unset ones are null or absent. */
function ceilingsOf(value: Json): Partial<Ceilings> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as unknown as Partial<Ceilings>)
    : {};
}

export const lookupFunctions: Readonly<Record<string, UnnamedFunction>> = {
  invoke_get_queue_config: defineFunction({
    params: { queue_name: string() },
    returns: 'kumo.QueueOptions',
    doc: 'What get_queue_config says of a queue, as a table.',
    call: async ({ queue_name: name }, context) => {
      const { domain, tenant, campaign, routingDomain } = parseQueueName(name);
      const asked = BUILT_IN_QUEUES.has(name)
        ? undefined
        : await ask(context, 'get_queue_config', [domain, tenant, campaign, routingDomain], QueueConfig);
      return tableOf(asked ?? new QueueConfig(parseOptions(queueOptions, {})));
    },
  }),
  invoke_get_egress_path_config: defineFunction({
    params: { routing_domain: string(), source: string(), site: string() },
    returns: 'kumo.EgressPathOptions',
    doc: 'What get_egress_path_config says of a path, as a table without openssl_options and rustls_cipher_suites.',
    call: async ({ routing_domain: domain, source, site }, context) => {
      const asked = await ask(context, 'get_egress_path_config', [domain, source, site], EgressPath);
      return tableOf(asked ?? new EgressPath(parseOptions(egressPathOptions, {})), [
        'openssl_options',
        'rustls_cipher_suites',
      ]);
    },
  }),
  invoke_get_egress_pool: defineFunction({
    params: { name: optional(string(), UNSPECIFIED) },
    returns: 'kumo.EgressPoolOptions',
    doc: 'What get_egress_pool says of a pool, as a table.',
    call: async ({ name }, context) => {
      if (name === UNSPECIFIED) return tableOf(new EgressPool(unspecifiedEgressPool()));
      return tableOf(
        registered('get_egress_pool', await ask(context, 'get_egress_pool', [name], EgressPool)),
      );
    },
  }),
  invoke_get_egress_source: defineFunction({
    params: { name: string() },
    returns: 'kumo.EgressSourceOptions',
    doc: 'What get_egress_source says of a source, as a table.',
    call: async ({ name }, context) => {
      if (name === UNSPECIFIED) return tableOf(new EgressSource(parseOptions(egressSourceOptions, { name })));
      const asked = await ask(context, 'get_egress_source', [name], EgressSource);
      return tableOf(registered('get_egress_source', asked));
    },
  }),
  compute_queue_config_constraints: defineFunction({
    params: { config: queue },
    returns: CEILINGS,
    doc: 'How fast a queue can be at most, and what limits it. Rates are per second.',
    call: ({ config }) => withNulls(queueCeilings(config)),
  }),
  compute_egress_path_config_constraints: defineFunction({
    params: { config: path, extra: optional(anyValue()) },
    returns: CEILINGS,
    doc: 'How much a path can do at most, and what limits it. Rates are per second. `extra`: the constraints of the queue.',
    call: ({ config, extra }) => {
      const { max_message_rate: rate } = ceilingsOf(extra ?? null);
      return withNulls(pathCeilings(config, { max_message_rate: (rate as Ceiling) ?? null }));
    },
  }),
  format_egress_path_config_constraints: defineFunction({
    params: { constraints: anyValue() },
    returns: 'string',
    doc: 'Constraints as lines of text.',
    call: ({ constraints }) => formatCeilings(ceilingsOf(constraints)),
  }),
  format_queue_config_toml: tomlFormatter('TOML of the configuration of a queue.'),
  format_egress_path_config_toml: tomlFormatter('TOML of the configuration of a path.'),
};

function registered<T>(event: string, config: T | undefined): T {
  if (config === undefined) throw new Error(`Event ${event} has not been registered`);
  return config;
}
