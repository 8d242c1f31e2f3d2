import { type Difference, decided, extension } from './difference.ts';

/** Where the command line and the endpoints of administrators are not as in KumoMTA. */
export const operationDifferences: readonly Difference[] = [
  extension(
    'behaviour',
    'dry_run of the endpoints of administrators',
    'With `dry_run: true` in the body, POST and DELETE of bounce, suspend and suspend-ready-q and POST of rebind change nothing and answer how many messages and queues they are about, with a few of each. `--dry-run` of the commands asks that.',
  ),
  extension(
    'behaviour',
    'criteria of administrators',
    'rebind takes `queue_names` (`--queue`) as bounce does, suspend takes `routing_domain`. Lists show both when they were given; an entry about named queues would look as if it were about all of them otherwise.',
  ),
  decided(
    'behaviour',
    'output of commands',
    'Every command takes `--json`. Lists are tables without it, suspend-list and suspend-ready-q-list too, which print JSON in KumoMTA. What could steer a terminal is shown as `?`, in JSON as an escape.',
  ),
];
