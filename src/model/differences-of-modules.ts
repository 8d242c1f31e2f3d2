import { type Difference, decided, planned } from './difference.ts';
import { dkimDifferences } from './differences-of-dkim.ts';
import { mailAuthDifferences } from './differences-of-mail-auth.ts';
import { redisDifferences } from './differences-of-redis.ts';

/** Functions and methods of KumoMTA that come later, by module. A call of one says so, and asking gives nil. */
const LATER: Readonly<Record<string, { names: readonly string[]; reason: string }>> = {
  'kumo.amqp': { names: ['basic_publish', 'build_client'], reason: 'Clients of message brokers come later.' },
  'kumo.kafka': { names: ['build_producer'], reason: 'Clients of message brokers come later.' },
  'kumo.nats': { names: ['connect', 'publish', 'close'], reason: 'Clients of message brokers come later.' },
  tsa: { names: ['configure_tsa_db_path', 'start_http_listener'], reason: 'Comes with tsa-daemon.' },
};

const introspection: readonly Difference[] = [
  decided(
    'function',
    'kumo.compute_egress_path_config_constraints',
    'Values of rates are per second; display is the throttle as policy writes it.',
  ),
  decided(
    'function',
    'kumo.get_event_registrars',
    'Gives one frame per handler: the line of the operator that registered it.',
  ),
  decided(
    'behaviour',
    'handlers registered inside main',
    'With --script, kumo.on inside main is accepted; events that main fires run in other Lua states, which have only the handlers of the file.',
  ),
  decided('function', 'kumo.prometheus_metrics', 'Gives the text that /metrics gives.'),
];

export const moduleDifferences: readonly Difference[] = [
  ...introspection,
  ...redisDifferences,
  ...dkimDifferences,
  ...mailAuthDifferences,
  ...Object.entries(LATER).flatMap(([module, { names, reason }]) =>
    names.map((name) => planned('function', `${module}.${name}`, reason)),
  ),
];
