import { type Difference, decided, extension } from './difference.ts';

/** How a changed policy comes into service. */
export const reloadDifferences: readonly Difference[] = [
  decided(
    'behaviour',
    'when a changed policy takes effect',
    'Within two seconds of the edit, at one instant on all shards, and only when it compiles and its top level, pre_init, init and validate_config run in the inert mode of --validate. One that fails, or has no handler of mail left, changes nothing but the policy status; KumoMTA answers 421 until it is mended.',
  ),
  decided(
    'behaviour',
    'configuration epoch',
    'It is the number of the policy generation: it moves only when a candidate is found good, and not by itself after the start. Files are looked at twice a second instead of every ten seconds.',
  ),
  decided(
    'behaviour',
    'what an epoch refreshes',
    'Queue configurations, pools, sources, paths, failed look-ups and listener certificates, whatever their refresh_strategy, before the next message that needs them; an error keeps the old value.',
  ),
  decided(
    'behaviour',
    'kumo.set_config_monitor_globs',
    'The default is the folder of the policy (/opt/kumomta/etc for a policy below it) and that of the helpers. Files that the policy read are watched in addition, wherever they are; spool and log directories never are.',
  ),
  decided(
    'function',
    'kumo.bump_config_epoch',
    'Reads the policy again; when that fails the epoch stays as it is.',
  ),
  decided(
    'behaviour',
    'globals that a handler makes',
    'End with the event, and are told of once with file and line, so that a forgotten `local` never shows the values of one message to the next. Globals of the policy, and of modules that a handler requires, stay.',
  ),
  extension(
    'behaviour',
    'a candidate that waits',
    'The load of a changed policy and each of its events pre_init, init and validate_config may take 60 s, waiting for DNS and HTTP among it; after that the candidate has failed.',
  ),
  extension(
    'behaviour',
    'old policy generations',
    'Handlers that wait finish in the generation where they started. When three old ones still wait, the next switch waits up to a minute and then ends the handlers of the oldest with an error.',
  ),
  extension(
    'endpoint',
    'GET /api/admin/policy-status/v1',
    'Which generation of the policy serves, what failed where, what takes a restart.',
  ),
  extension('command', 'policy', '`policy status` and `policy reload`.'),
  extension('metric', 'policy_generation', 'Number of the policy generation that serves.'),
  extension(
    'metric',
    'policy_reload_count',
    'Policies read from disk since the start, switched to or failed.',
  ),
];
