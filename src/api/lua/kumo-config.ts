import {
  defineFunction,
  type GivenOptions,
  type OptionsDeclaration,
  optionsArgument,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import { noteMaker } from '../../model/index.ts';
import {
  EgressPath,
  EgressPool,
  EgressSource,
  egressPathOptions,
  egressPoolOptions,
  egressSourceOptions,
  esmtpListenerOptions,
  httpListenerOptions,
  ListenerDomain,
  listenerDomainOptions,
  localLogsOptions,
  QueueConfig,
  queueOptions,
  spoolOptions,
} from '../../model/options/index.ts';
import { warnLater } from './later.ts';

/** A function that makes a config object of its options. */
function maker<T extends object>(
  declaration: OptionsDeclaration<T>,
  Config: new (options: T) => object,
  returns: string,
  doc: string,
): UnnamedFunction {
  return defineFunction({
    params: { options: optionsArgument(declaration) },
    returns,
    doc,
    call: ({ options: given }, context) => {
      warnLater(context, declaration.owner, given.later);
      noteMaker(given.options, context.where());
      return new Config(given.options);
    },
  });
}

/** A function that asks the coordinator for something; for the event `init`. */
export function declarer<T>(declaration: OptionsDeclaration<T>, doc: string): UnnamedFunction {
  return defineFunction({
    params: { options: optionsArgument(declaration) },
    doc,
    call: ({ options: given }: { options: GivenOptions<T> }, context) => {
      warnLater(context, declaration.owner, given.later);
      context.host.declare({ kind: declaration.owner, options: given.options, where: context.where() });
    },
  });
}

export const configFunctions = {
  start_esmtp_listener: declarer(
    esmtpListenerOptions,
    'Takes mail over SMTP on a port. In the event `init`.',
  ),
  start_http_listener: declarer(httpListenerOptions, 'Serves the HTTP API on a port. In the event `init`.'),
  define_spool: declarer(spoolOptions, 'Says where mail is kept. In the event `init`.'),
  configure_local_logs: declarer(
    localLogsOptions,
    'Writes delivery log records to files. In the event `init`.',
  ),
  make_listener_domain: maker(
    listenerDomainOptions,
    ListenerDomain,
    'listener_domain',
    'What get_listener_domain returns.',
  ),
  make_queue_config: maker(queueOptions, QueueConfig, 'queue_config', 'What get_queue_config returns.'),
  make_egress_path: maker(
    egressPathOptions,
    EgressPath,
    'egress_path',
    'What get_egress_path_config returns.',
  ),
  make_egress_pool: maker(egressPoolOptions, EgressPool, 'egress_pool', 'What get_egress_pool returns.'),
  make_egress_source: maker(
    egressSourceOptions,
    EgressSource,
    'egress_source',
    'What get_egress_source returns.',
  ),
} satisfies Record<string, UnnamedFunction>;
