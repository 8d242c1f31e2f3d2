import { shapingRules } from '../../model/shaping/index.ts';
import { markdownTable } from './markdown.ts';

const EXAMPLE = `["default"]                          # the base of every path
connection_limit = 10
["default".sources."ip-9"]           # for one source, whatever the domain
max_connection_rate = "10/min"

["example.org"]                      # all domains of the site of example.org; domains need their quotes
max_message_rate = "20/s"
["example.org".sources."ip-9"]       # for one source
connection_limit = 2
[["example.org".automation]]         # what a daemon for traffic shaping does about replies
regex = ["try (again )?later", "too many"]
action = ["Suspend", { SetConfig = { name = "max_message_rate", value = "1/s" } }]
trigger = { Threshold = "5/hour" }   # default "Immediate"
duration = "1h"

["my-log-hook"]                      # a name as it stands, which need not be a domain
mx_rollup = false
max_ready = 10000

[provider."bigmail"]                 # all domains that match
match = [{ MXSuffix = ".mx.bigmail.net" }, { DomainSuffix = ".bigmail.net" }, { HostName = "in.bigmail.net" }]
provider_connection_limit = 20       # of each source, over all domains of the provider
provider_max_message_rate = "100/s"
[provider."bigmail".sources."ip-9"]
provider_source_selection_rate = "500/d,max_burst=1"`;

const LAYERS = [
  '`["default"]`, then its table of the source',
  'every provider that matches the domain, in the order of the files; then their tables of the source; then the limits that follow from `provider_connection_limit` and its like, and `provider_name`',
  'the block of the site',
  'the block of the domain, with `mx_rollup = false`',
  'the table of the source in the block of the site, then in that of the domain',
];

/** Shaping files: how they look, what beats what, and what can be wrong with them. */
export function shapingPage(): { name: string; title: string; text: string } {
  const rules = Object.entries(shapingRules).map(([name, rule]) => [
    `\`${name}\``,
    rule.level,
    'option' in rule ? `\`${rule.option}\`` : '',
    'raises' in rule ? 'yes' : '',
    rule.doc,
  ]);
  return {
    name: 'shaping-files',
    title: 'Shaping files',
    text: [
      'TOML or JSON that says how mail is sent, by domain and by source. Read by [kumo.shaping.load](kumo.shaping.md), checked by `moonpost validate-shaping FILES`, explained by `moonpost resolve-shaping-domain DOMAIN SOURCE`.',
      `\`\`\`toml\n${EXAMPLE}\n\`\`\``,
      'In a block stand the options of [make_egress_path](options-make_egress_path.md) and what the example shows.',
      '## What beats what',
      'Files are read in order. Of the same block in several files the later options win, one by one; tables of limits and throttles merge key by key, automation rules and rules of `match` are added. `replace_base = true` in a block leaves out all that was said before for that site or domain, and the defaults and providers too.',
      'A block with `mx_rollup`, which is the default, is about the site that its domain has when the files are read: all domains with the same MX. One whose MX cannot be found is left out.',
      'For a path, later layers win:',
      LAYERS.map((layer, index) => `${index + 1}. ${layer}`).join('\n'),
      'A provider matches when the domain ends in one of its DomainSuffix, or when each MX of the domain ends in one of its MXSuffix or is one of its HostName. Letters of names are compared without regard to case.',
      '## Findings',
      'Each is told as `FILE:LINE:COLUMN: RULE: TEXT`. The level of some can be set, by an option of kumo.shaping.load or by a flag of validate-shaping, where these are at Warn unless they are at Error here. What raises is an error of kumo.shaping.load itself.',
      markdownTable(['Rule', 'Level', 'Set by', 'Raises', 'Found'], rules),
    ].join('\n\n'),
  };
}
