/** How much a finding matters; the words of kumo.shaping.load. */
export const SHAPING_LEVELS = ['Ignore', 'Warn', 'Error'] as const;
export type ShapingLevel = (typeof SHAPING_LEVELS)[number];

/** Options of kumo.shaping.load that set the level of a rule. */
export type LevelOption =
  | 'local_load'
  | 'remote_load'
  | 'dns_fail'
  | 'null_mx'
  | 'aliased_site'
  | 'provider_overlap';

interface ShapingRule {
  /** Unless an option says otherwise. */
  readonly level: ShapingLevel;
  /** The option that sets the level. */
  readonly option?: LevelOption;
  /** kumo.shaping.load raises an error: nothing of the files holds. */
  readonly raises?: true;
  /** What is found. */
  readonly doc: string;
}

const hard = (doc: string): ShapingRule => ({ level: 'Error', raises: true, doc });
const warning = (doc: string): ShapingRule => ({ level: 'Warn', doc });
const levelled = (option: LevelOption, level: ShapingLevel, doc: string): ShapingRule => ({
  level,
  option,
  doc,
});

/** Everything that can be wrong with shaping files, by the name that findings have. */
export const shapingRules = {
  syntax: hard('The text is no TOML, or no JSON.'),
  'unknown-option': hard('No option of that name is known there.'),
  'misplaced-option': hard('The option is known, and means nothing in such a block.'),
  'wrong-type': hard('A value is of another type than the option takes.'),
  'bad-value': hard('A value that the option does not take.'),
  'bad-duration': hard('A text that is no duration.'),
  'bad-throttle': hard('A text that is no rate.'),
  'missing-key': hard('A key that an automation rule, or a rule of match, must have is not there.'),
  'bad-regex': hard('A pattern of an automation rule that cannot be used.'),
  'unsupported-regex': warning(
    'A pattern of an automation rule with look-around or back-references, which take forever on some replies. The rule is left out.',
  ),
  'bad-action': hard('An action of an automation rule that is none.'),
  'bad-trigger': hard('A trigger of an automation rule that is none.'),
  'bad-match': hard('A rule of match that is none.'),
  'unquoted-domain': {
    level: 'Error',
    doc: 'A domain in a heading without quotes, which TOML takes for tables in tables. The block is left out.',
  },
  'single-label': warning('The name of a block has no dot, and is looked up in DNS.'),
  'unknown-rule-key': warning('An automation rule has a key that nobody reads.'),
  'duplicate-rule': warning('The same automation rule twice for one site, domain or provider.'),
  'provider-without-match': warning('A provider that matches no domain, since it has no rules in match.'),
  'skipped-remote': warning('A URL that is not fetched, since skip_remote is set.'),
  'unreadable-file': levelled('local_load', 'Error', 'A file that cannot be read.'),
  'unreachable-url': levelled('remote_load', 'Ignore', 'A URL that cannot be fetched.'),
  'dns-failure': levelled('dns_fail', 'Ignore', 'A domain whose MX cannot be resolved.'),
  'null-mx': levelled('null_mx', 'Ignore', 'A domain that takes no mail (RFC 7505).'),
  'aliased-site': levelled('aliased_site', 'Ignore', 'Blocks of several domains that have one site.'),
  'provider-overlap': levelled('provider_overlap', 'Ignore', 'A domain that providers match too.'),
  'dead-source': {
    level: 'Error',
    doc: 'A source that is not among those that are defined. Only where these are known.',
  },
} as const satisfies Record<string, ShapingRule>;

export type ShapingRuleName = keyof typeof shapingRules;

/** The level of every rule, the options of kumo.shaping.load applied. */
export function levelsOfRules(
  options: Partial<Record<LevelOption, ShapingLevel>>,
): Record<ShapingRuleName, ShapingLevel> {
  const entries = Object.entries(shapingRules as Record<string, ShapingRule>).map(([name, rule]) => [
    name,
    (rule.option !== undefined && options[rule.option]) || rule.level,
  ]);
  return Object.fromEntries(entries) as Record<ShapingRuleName, ShapingLevel>;
}

export function raises(name: ShapingRuleName): boolean {
  return (shapingRules[name] as ShapingRule).raises === true;
}
