import { type Difference, decided, extension } from './difference.ts';

/** Shaping files and what reads them: kumo.shaping, the shaping helper, the commands. */
export const shapingDifferences: readonly Difference[] = [
  decided(
    'behaviour',
    'the same shaping file listed twice',
    'It is loaded once, at its last place in the list, so that its automation rules are there once; KumoMTA reads it twice and counts each rule double.',
  ),
  decided(
    'behaviour',
    'provider_max_message_rate of later definitions',
    'It merges like every other option; KumoMTA ignores it in the second and later definitions of a provider.',
  ),
  decided(
    'behaviour',
    '["default".sources."x"]',
    'Applies to every path of that source, right over the options of ["default"]; KumoMTA never applies it.',
  ),
  decided(
    'behaviour',
    'replace_base',
    'Means the same in whichever block of a key it stands: nothing of what was said before holds for that site or domain, neither earlier blocks nor providers nor the defaults of the files. KumoMTA drops defaults and providers only when the first block of the key has it.',
  ),
  decided(
    'behaviour',
    'unknown keys in an automation rule',
    'They are a warning that names the nearest known key; KumoMTA ignores them in silence.',
  ),
  decided(
    'behaviour',
    'look-around and back-references in automation rules',
    'They are a warning that names the rule, which is left out while the rest of the file holds: replies come from anybody, and such patterns can take forever on some of them. KumoMTA has them.',
  ),
  decided(
    'behaviour',
    'letters of names in shaping files',
    'Domains and the rules of `match` are compared without regard to case.',
  ),
  decided(
    'behaviour',
    'errors and warnings of shaping files',
    'Each begins with FILE:LINE:COLUMN and the name of its rule. All mistakes of all files are told at once, those in blocks that DNS leaves out too.',
  ),
  decided(
    'behaviour',
    'a remote shaping file that cannot be fetched',
    'Its last good copy holds, and the failure is reported at the level remote_load; KumoMTA goes on as if the file were empty, which drops what an automation daemon had set.',
  ),
  decided(
    'behaviour',
    'DNS that fails while shaping files are read again',
    'A domain keeps the site that it had, unless DNS says that it is gone; KumoMTA leaves its block, and so its limits, out until DNS is back.',
  ),
  decided(
    'option',
    'shaping.load.local_load',
    'Error also when the table of options is given without it; KumoMTA then ignores a file that cannot be read.',
  ),
  decided(
    'behaviour',
    'an unquoted domain in a shaping file',
    '[foo.com] is an error in get_errors, and the block is left out; KumoMTA warns of a single label.',
  ),
  extension(
    'behaviour',
    'validate-shaping --format, --offline, --http-timeout, --sources',
    'Findings as JSON, workflow commands of GitHub or SARIF; look-ups in a zone file, so that CI needs no DNS; the time for URLs; sources that are not defined. It is `moonpost validate-shaping` too.',
  ),
  extension(
    'behaviour',
    'resolve-shaping-domain, resolve-queue-config, resolve-site-name, explain-throttle',
    'Subcommands of moonpost. The first two tell where each option was said, as text or with --json; the configurations alone are under --json-config, --json-queue-config and --json-constraints. pre_init is run for its DNS; resolve-site-name asks the DNS of the system unless a policy is named. A call without domain ends with 2, like all bad usage; in KumoMTA with 1.',
  ),
  extension('method', 'shaping:explain_egress_path_config', 'Says where each option of a path was said.'),
  extension('method', 'shaping:get_dead_sources', 'Finds tables of sources that are not defined.'),
  extension(
    'event',
    'explain_egress_path_config',
    'The shaping helper says where the options of a path come from.',
  ),
  extension('event', 'explain_queue_config', 'The queue helper says where the options of a queue come from.'),
];
