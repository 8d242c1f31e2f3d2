import { type Difference, decided, extension } from './difference.ts';
import { traceDifferences } from './differences-of-traces.ts';
import { transferDifferences } from './differences-of-transfer.ts';

/** Where the command line and the endpoints of administrators are not as in KumoMTA. */
export const operationDifferences: readonly Difference[] = [
  extension(
    'behaviour',
    'dry_run of the endpoints of administrators',
    'With `dry_run: true` in the body, POST and DELETE of bounce, suspend and suspend-ready-q and POST of rebind, xfer and xfer/cancel change nothing and answer how many messages and queues they are about, with a few of each. `--dry-run` of the commands asks that.',
  ),
  extension(
    'behaviour',
    'criteria of administrators',
    'rebind takes `queue_names` (`--queue`) as bounce does, suspend takes `routing_domain`. Lists show both when they were given; an entry about named queues would look as if it were about all of them otherwise.',
  ),
  decided(
    'behaviour',
    'secrets in the configurations that endpoints show',
    '`key_data` and `vault_token` are `(not shown)`: whoever may log in to the machine may ask these endpoints.',
  ),
  decided(
    'behaviour',
    'output of commands',
    'Every command takes `--json`. Lists are tables without it, suspend-list and suspend-ready-q-list too, which print JSON in KumoMTA. What could steer a terminal is shown as `?`, in JSON as an escape.',
  ),
  extension(
    'behaviour',
    'site_name of resolve-egress-path',
    'The site is told of where there are no MX too, as with `mx_list`. `provider-summary --show-domains` and `queue-summary --domain` rest on it.',
  ),
  decided(
    'behaviour',
    'provider-summary --show-domains',
    'The server is asked for the provider of each domain with queued mail, of at most the 1,000 with the most.',
  ),
  extension(
    'function',
    'kumo.policy.configure_plain_logs',
    'Records as text on standard output or in a plain file, for containers and programs that read no zstd.',
  ),
  decided(
    'behaviour',
    'command line of the server',
    'The program is `moonpost`, and `--version` prints its own version. Without `--policy` it is ./policy/init.lua, else /etc/moonpost/policy/init.lua. `--dump-lruttl-caches` prints an empty list: no cache has a size to set.',
  ),
  decided(
    'behaviour',
    'environment of the server',
    'The file with the node id is in the directory of the spool unless KUMO_NODE_ID_PATH names one. KUMOD_MAIN_THREADS and the other numbers of threads and events change nothing: `--shards` does. There is no ERROR for a machine of few cores.',
  ),
  decided(
    'behaviour',
    'targets of the diagnostic log',
    "Parts of Moonpost are the targets. `kumod=LEVEL` is for all but lua, spool and policy (`config`) and other targets of KumoMTA are accepted; a target that a filter without a bare level does not name shows its errors. `peer=debug` shows errors of clients' sockets.",
  ),
  decided(
    'behaviour',
    'diagnostic log',
    'Secrets such as passwords in URLs, credentials of AUTH and private keys are shown as `***`, control characters as escapes, and the further lines of an entry are set in.',
  ),
  decided('behaviour', '--validate and log directories', 'Makes none; KumoMTA makes those that are missing.'),
  decided(
    'behaviour',
    'segments of logs',
    'A segment is a series of zstd frames, one a second at most, so that lines can be read soon; KumoMTA writes one frame. `zstd -d` reads both.',
  ),
  decided(
    'behaviour',
    'abort-ready-q-conn',
    'What the connection has in hand goes back uncounted as `Delayed` 451 4.4.1, as for the watchdog. A connection has a session to name once a host has greeted it; until then its time-outs end it.',
  ),
  decided(
    'behaviour',
    'memory/stats and task-dump',
    'Are texts of our own. task-dump tells of each shard: queues, connections, sessions, Lua states and the handlers that wait, with file and line; it shows the largest of each.',
  ),
  decided(
    'behaviour',
    'accounting totals',
    'A recipient counts once, whatever loggers there are; KumoMTA counts once for each logger that has the record. Months are those of UTC. Without kumo.configure_accounting_db_path there is a database only where /var/spool/kumomta exists. One that is locked or broken is told of once and holds up no mail.',
  ),
  extension('command', 'completion', 'Completes commands and options in bash and zsh.'),
  extension('behaviour', 'top --once', 'One frame for scripts; `--json` gives its numbers.'),
  ...transferDifferences,
  ...traceDifferences,
];
