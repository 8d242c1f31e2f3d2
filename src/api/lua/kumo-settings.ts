import { DiagnosticFilter, setDiagnosticFilterEverywhere } from '../../io/diagnostics/index.ts';
import {
  boolean,
  defineFunction,
  integer,
  type Kind,
  nearestName,
  optional,
  string,
  throttleSpec,
  type UnnamedFunction,
  unchecked,
} from '../../model/define/index.ts';
import { warnWithoutEffect } from './later.ts';

/** A setting that real policies make and that this release only takes. It says so once. */
function accepted(name: string, doc: string, params: Record<string, Kind<unknown>>): UnnamedFunction {
  return defineFunction({
    params,
    doc: `${doc} Accepted without effect in this release.`,
    call: (_, context) => warnWithoutEffect(context, `kumo.${name}`),
  });
}

/** A number for the coordinator, which hands it on to the shards. */
function setting(name: string, doc: string, params: Record<string, Kind<number>>): UnnamedFunction {
  return defineFunction({
    params: params as Record<string, Kind<unknown>>,
    doc,
    call: (given, context) => {
      const [options] = Object.values(given as Record<string, unknown>);
      context.host.declare({ kind: name, options, where: context.where() });
    },
  });
}

/** A limit of memory. */
function memoryLimit(name: string, doc: string): UnnamedFunction {
  return defineFunction({
    params: { bytes: optional(integer({ min: 0 })) },
    doc: `${doc} Call it in the event \`pre_init\` or \`init\`; a change holds after a restart.`,
    call: ({ bytes }, context) => {
      context.host.declare({ kind: name, options: bytes, where: context.where() });
    },
  });
}

/** Names of the caches of KumoMTA that policies size. */
const CACHES = [
  'dkim_signer_cache',
  'dkim_key_cache',
  'dns_resolver_mx',
  'http_server_auth',
  'smtp_server_tls_config',
];

const count = { count: integer({ min: 1 }) };
const threads = 'Size of a thread pool in KumoMTA; Moonpost has shards (`--shards N`).';

export const settingFunctions = {
  configure_bounce_classifier: accepted(
    'configure_bounce_classifier',
    'Rules by which bounces are classified; without them the field is `Uncategorized`.',
    { options: unchecked('table') },
  ),
  configure_accounting_db_path: defineFunction({
    params: { path: string() },
    doc:
      'SQLite database in which recipients of mail that was received and delivered are counted by month. Without it ' +
      '/var/spool/kumomta/accounting.db if there is that directory, else none. Call it in the event `pre_init` or ' +
      '`init`; a change holds after a restart.',
    call: ({ path }, { host, where }) =>
      host.declare({ kind: 'configure_accounting_db_path', options: path, where: where() }),
  }),
  set_smtpsrv_threads: accepted('set_smtpsrv_threads', threads, count),
  set_httpinject_threads: accepted('set_httpinject_threads', threads, count),
  set_qmaint_threads: accepted('set_qmaint_threads', threads, count),
  set_ready_qmaint_threads: accepted('set_ready_qmaint_threads', threads, count),
  set_readyq_threads: accepted('set_readyq_threads', threads, count),
  set_spoolin_threads: accepted('set_spoolin_threads', threads, count),
  set_logging_threads: accepted('set_logging_threads', threads, count),
  set_httpinject_recipient_rate_limit: defineFunction({
    params: { spec: optional(throttleSpec()) },
    doc:
      'How fast recipients may come over HTTP, for all clients together; requests wait for their turn. nil: without limit. ' +
      'Call it in the event `pre_init` or `init`; a change holds after a restart.',
    call: ({ spec }, { host, where }) =>
      host.declare({ kind: 'set_httpinject_recipient_rate_limit', options: spec ?? null, where: where() }),
  }),
  set_memory_hard_limit: memoryLimit(
    'set_memory_hard_limit',
    'Bytes of memory that the others follow from: the limit of the control group, or what the machine has, unless it is set.',
  ),
  set_memory_soft_limit: memoryLimit(
    'set_memory_soft_limit',
    'Bytes in use from which no mail is taken, ready queues have two connections at most, and messages that wait in them leave memory; 75 % of the hard limit, or memory.high of the control group, unless it is set.',
  ),
  set_memory_low_thresh: memoryLimit(
    'set_memory_low_thresh',
    'Bytes in use from which messages that enter a ready queue leave memory until they are sent; 80 % of the soft limit unless it is set.',
  ),
  set_lruttl_cache_capacity: defineFunction({
    params: { name: string(), capacity: integer({ min: 1 }) },
    doc: 'Size of a built-in cache. Accepted without effect in this release.',
    call: ({ name }, context) => {
      if (!CACHES.includes(name)) {
        const near = nearestName(name, CACHES);
        const advice = near === undefined ? `known are ${CACHES.join(', ')}` : `did you mean '${near}'?`;
        throw new Error(`there is no cache '${name}'; ${advice}`);
      }
      warnWithoutEffect(context, 'kumo.set_lruttl_cache_capacity');
    },
  }),
  set_lua_gc_on_put: accepted('set_lua_gc_on_put', 'When KumoMTA collects the garbage of a Lua state.', {
    percent: integer({ min: 0 }),
  }),
  spawn_thread_pool: accepted('spawn_thread_pool', threads, { options: unchecked('table') }),
  enable_memory_callstack_tracking: accepted(
    'enable_memory_callstack_tracking',
    'Whether KumoMTA notes who asked for memory.',
    { enable: boolean() },
  ),
  set_max_lua_context_age: setting(
    'set_max_lua_context_age',
    'Seconds after which a Lua state is replaced; default 300. In the event `pre_init`.',
    { seconds: integer({ min: 0 }) },
  ),
  set_max_lua_context_use_count: setting(
    'set_max_lua_context_use_count',
    'Events after which a Lua state is replaced; default 1024. In the event `pre_init`.',
    { count: integer({ min: 1 }) },
  ),
  set_max_spare_lua_contexts: setting(
    'set_max_spare_lua_contexts',
    'Most Lua states kept ready per shard; default 8192. In the event `pre_init`.',
    { count: integer({ min: 0 }) },
  ),
  suspend_delivery_when_spool_unhealthy: accepted(
    'suspend_delivery_when_spool_unhealthy',
    'Whether delivery waits while the spool fails.',
    { suspend: boolean() },
  ),
  set_diagnostic_log_filter: defineFunction({
    params: { filter: string() },
    doc:
      'Which diagnostic lines every thread writes from now on, as LEVEL or a list such as `info,ready-queue=debug,peer=debug`. ' +
      'Levels: off, error, warn, info, debug, trace. `kumod=LEVEL` is for all targets but lua, spool and policy; targets that no part speaks of get `error`.',
    call: ({ filter }, { host, where }) => {
      DiagnosticFilter.parse(filter);
      host.declare({ kind: 'set_diagnostic_log_filter', options: filter, where: where() });
      if (!host.validating) setDiagnosticFilterEverywhere(filter);
    },
  }),
} satisfies Record<string, UnnamedFunction>;
