import { type Difference, decided, extension } from './difference.ts';

/** Where the helpers (policy-extras.NAME) and what serves them are not as in KumoMTA. */
export const helperDifferences: readonly Difference[] = [
  extension('function', 'kumo.policy.check_option', 'For helpers that read options from data files.'),
  extension('function', 'kumo.policy.option_names', 'For helpers that read options from data files.'),
  extension('function', 'kumo.policy.nearest_name', 'So that errors of helpers name what was meant.'),
  extension(
    'function',
    'kumo.policy.locate',
    'So that errors of helpers name line and column of a data file.',
  ),
  extension(
    'option',
    'memoize.keep_last_good',
    'A data file that was edited badly leaves what it said before in force.',
  ),
  extension(
    'event',
    'config_epoch_changed',
    'Tells policy on every shard that a new epoch began, so that helpers read their files before mail needs them.',
  ),
  extension(
    'function',
    'kumo.validation_failed',
    'Takes the text of what was found, which the policy status and the diagnostic log then name.',
  ),
  decided(
    'behaviour',
    'policy-extras.typing',
    'Tables of its types check every assignment, also to a field that is set already, and name the nearest known field.',
  ),
];
