import { type Difference, decided, extension } from './difference.ts';

/** Where the helpers (policy-extras.NAME) and what serves them are not as in KumoMTA. */
export const helperDifferences: readonly Difference[] = [
  extension('function', 'kumo.policy.check_option', 'For helpers that read options from data files.'),
  extension('function', 'kumo.policy.check_options', 'For helpers that read options from data files.'),
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
  extension(
    'method',
    'websocket_stream:close',
    'For tasks that connect again and again; KumoMTA closes a stream when Lua forgets it.',
  ),
  decided(
    'behaviour',
    'policy-extras.shaping: a file that cannot be read',
    'Ends the start, and later leaves what was read before in force; KumoMTA logs it and goes on without the file.',
  ),
  decided(
    'behaviour',
    'policy-extras.shaping: the monitor of a daemon',
    'Asks the daemon itself every 30 s, and begins an epoch only when the files say something new, so that overrides take effect within about half a minute; in KumoMTA the first look always does, and it looks through a cache of a minute.',
  ),
  decided(
    'behaviour',
    'policy-extras.shaping: pre_filter',
    'A record whose rules cannot be looked up is sent; KumoMTA drops it.',
  ),
  decided(
    'behaviour',
    'policy-extras.typing',
    'Tables of its types check every assignment, also to a field that is set already, and name the nearest known field.',
  ),
  decided(
    'behaviour',
    'place of the helpers',
    'They come with Moonpost. A file of that name in package.path, such as one of an installed KumoMTA, is found first.',
  ),
  decided(
    'behaviour',
    'policy-extras.mail_auth',
    'SPF is left out of mail that did not come over SMTP, whose client is not known, where KumoMTA raises an error; DMARC then goes by DKIM alone. Unknown options are errors that name the nearest known one.',
  ),
  decided(
    'behaviour',
    'data files of helpers',
    'Are read when the policy is loaded, where a mistake ends the start, and again for each configuration epoch; no time to live counts. All mistakes are named at once, with file, line, section and the nearest name. An edit that is wrong changes nothing. KumoMTA reads at first use, keeps for 1 to 5 minutes, some caches past the epoch, and stops at the first mistake.',
  ),
  decided(
    'behaviour',
    'inline tables of helpers',
    'Take the keys of files (tenant, queue, source, pool) and the plural ones alike, and keep their `listener` part; KumoMTA takes the plural ones only, and loses that part after the first load.',
  ),
  decided(
    'behaviour',
    'validation by helpers',
    'A pool with a source that is not defined fails, as does any egress_pool that the sources data lack, wherever in the queue data it stands, and a default_tenant that is not defined; KumoMTA prints the first, checks egress_pool of tenants and domains only, and not the last. A source in no pool is a warning. That data files are covered by the monitor globs is not checked, for files that helpers read are always watched.',
  ),
  decided(
    'behaviour',
    'policy-extras.queue: options and tenants',
    'Within [queue.*] the name of an option is that option, whatever its value; a key that is no option is a tenant (below it a campaign) only when its value is a table, and its name is not nearly that of an option that takes one, unless a file defines the tenant. Everything else is an error. In KumoMTA a malformed table becomes a tenant.',
  ),
  decided(
    'behaviour',
    'policy-extras.queue: overall_max_message_rate of campaigns',
    'Holds the campaign to its own rate, also where the tenant has none; KumoMTA takes the rate of the tenant. Elsewhere than in [tenant.*] the option is a warning.',
  ),
  decided(
    'behaviour',
    'policy-extras.queue: options of campaigns of a tenant',
    'Options in [tenant.X.campaigns.Y] take effect, after those of the tenant; KumoMTA accepts them without effect.',
  ),
  decided(
    'behaviour',
    'policy-extras.queue and policy-extras.listener_domains: case',
    'Domains are compared in lower case; KumoMTA takes them as written.',
  ),
  decided(
    'behaviour',
    'policy-extras.log_hooks: new_json',
    'A server that answers 5xx, 408, 425 or 429 gets the record again later; KumoMTA drops the record for any status but 2xx. It takes batch_size, min_batch_size and max_batch_latency, which make each body a list of records; there it refuses them. The name of a TOML or JSON file may stand in place of the options.',
  ),
  decided(
    'behaviour',
    'policy-extras.docker_utils',
    'Is not there: it looks up addresses for test set-ups of KumoMTA itself, which kumo.dns does as well.',
  ),
  decided(
    'behaviour',
    'policy-extras.rollup',
    'Suffixes match with or without the dot at the end of MX names, in any case, and the longest that fits counts; in KumoMTA the dot is needed, and the order is not defined.',
  ),
];
