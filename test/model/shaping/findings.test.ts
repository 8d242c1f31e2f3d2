import { expect, test } from 'vitest';
import { loadShaping, ShapingFile, shapingRules } from '../../../src/model/shaping/index.ts';
import { found, load, world } from './load-texts.ts';

const told = new Set<string>();

/** Every kind of mistake, with all that is said of it. Lines count from 1; the text begins at line 1. */
const MISTAKES: readonly (readonly [mistake: string, text: string, ...lines: string[]])[] = [
  [
    'an unknown option',
    '["example.org"]\nmax_mesage_rate = "1/s"',
    `Error shaping.toml:2:1: unknown-option: 'max_mesage_rate' is no option, in ["example.org"]; did you mean 'max_message_rate'?`,
  ],
  [
    'an unknown option near nothing',
    '["default"]\nzzz = 1',
    `Error shaping.toml:2:1: unknown-option: 'zzz' is no option, in ["default"]`,
  ],
  [
    'an unknown option of a source',
    '["example.org".sources."ip-1"]\n  connection_limits = 1',
    `Error shaping.toml:2:3: unknown-option: 'connection_limits' is no option, in ["example.org".sources."ip-1"]; did you mean 'connection_limit'?`,
  ],
  [
    'an unknown option of a provider',
    '[provider."p"]\nmatch = [{HostName = "x"}]\nprovider_conection_limit = 1',
    `Error shaping.toml:3:1: unknown-option: 'provider_conection_limit' is no option, in [provider."p"]; did you mean 'provider_connection_limit'?`,
  ],
  [
    'an option of providers in a domain',
    '["example.org"]\nprovider_connection_limit = 1',
    `Error shaping.toml:2:1: misplaced-option: 'provider_connection_limit' stands in a [provider."NAME"], not in ["example.org"]`,
  ],
  [
    'an option of sources of providers in a provider',
    '[provider."p"]\nmatch = [{HostName = "x"}]\nprovider_source_selection_rate = "1/s"',
    `Error shaping.toml:3:1: misplaced-option: 'provider_source_selection_rate' stands in a [provider."NAME".sources."SOURCE"], not in [provider."p"]`,
  ],
  [
    'mx_rollup in a source',
    '["example.org".sources.a]\nmx_rollup = true',
    `Error shaping.toml:2:1: misplaced-option: 'mx_rollup' stands in the block of a domain, not in ["example.org".sources."a"]`,
  ],
  [
    'a wrong type',
    '["example.org"]\nconnection_limit = true\nsmtp_port = "25"',
    'Error shaping.toml:2:1: wrong-type: connection_limit: expected a limit such as 32, got boolean',
    'Error shaping.toml:3:1: wrong-type: smtp_port: expected an integer, got string',
  ],
  [
    'a wrong type of what is no option',
    '["example.org"]\nmx_rollup = "no"\nsources = 3',
    'Error shaping.toml:2:1: wrong-type: mx_rollup: expected true or false, got string',
    'Error shaping.toml:3:1: wrong-type: sources: expected tables by source, got number',
  ],
  [
    'a block that is none',
    '"example.org" = 5\n[provider]\np = 1\n',
    `Error shaping.toml:1:1: wrong-type: 'example.org': expected a block, got number`,
    `Error shaping.toml:3:1: wrong-type: 'p': expected a block, got number`,
  ],
  [
    'a bad value',
    '["example.org"]\nconnection_limit = 0\nenable_tls = "Sometimes"',
    `Error shaping.toml:2:1: bad-value: connection_limit: a limit is a whole number from 1 up, or a text such as 'local:10'`,
    `Error shaping.toml:3:1: bad-value: enable_tls: expected one of Opportunistic, OpportunisticInsecure, Required, RequiredInsecure, Disabled, got 'Sometimes'`,
  ],
  [
    'a bad rate',
    '["example.org"]\nmax_message_rate = "5/fortnight"\n[ "example.org".additional_message_rate_throttles ]\nall = "1 per s"',
    `Error shaping.toml:2:1: bad-throttle: max_message_rate: '5/fortnight' has the unknown period 'fortnight'; use s, min, hour or day`,
    `Error shaping.toml:4:1: bad-throttle: additional_message_rate_throttles.all: '1 per s' is no throttle such as '100/s' or 'local:20/30min,max_burst=5'`,
  ],
  [
    'a bad duration',
    '["example.org"]\nidle_timeout = "5 parsecs"\ndata_timeout = -1',
    `Error shaping.toml:2:1: bad-duration: idle_timeout: '5 parsecs' is no duration such as '5 minutes' or '1h 30m'`,
    'Error shaping.toml:3:1: bad-duration: data_timeout: a duration cannot be -1',
  ],
  [
    'a rule without what it needs',
    '[["example.org".automation]]\nregex = "x"',
    'Error shaping.toml:1:17: missing-key: an automation rule of ["example.org"] has no action',
    'Error shaping.toml:1:17: missing-key: an automation rule of ["example.org"] has no duration',
  ],
  [
    'a bad pattern',
    '[["default".automation]]\nregex = ["fine", "(", "4(?!2)", "(a)\\\\1"]\naction = "Suspend"\nduration = "1h"',
    `Error shaping.toml:2:18: bad-regex: the pattern '(' is invalid: error parsing regexp: missing closing ): \`(\``,
    `Warn shaping.toml:2:23: unsupported-regex: the pattern '4(?!2)' of an automation rule of ["default"] uses look-around, which Moonpost does not have: it can take forever on some replies. The rule is left out`,
    `Warn shaping.toml:2:33: unsupported-regex: the pattern '(a)\\1' of an automation rule of ["default"] uses back-references, which Moonpost does not have: it can take forever on some replies. The rule is left out`,
  ],
  [
    'a bad action',
    '[["default".automation]]\nregex = "x"\naction = ["Suspned", "SetConfig", {SetConfg = {name = "a"}}]\nduration = "1h"',
    `Error shaping.toml:3:11: bad-action: 'Suspned' is no action by itself; did you mean 'Suspend'?`,
    `Error shaping.toml:3:22: bad-action: 'SetConfig' is no action by itself; write {SetConfig = {name = ..., value = ...}}`,
    `Error shaping.toml:3:35: bad-action: an action is one of Suspend, SuspendTenant, SuspendCampaign, Bounce, BounceTenant, BounceCampaign, or a table with SetConfig or SetDomainConfig; did you mean 'SetConfig'?`,
  ],
  [
    'an action that sets what cannot be set',
    '[["default".automation]]\nregex = "x"\naction = [{SetConfig = {name = "max_rate", value = 1}}, {SetDomainConfig = {name = "max_ready", value = "x"}}, {SetConfig = {name = "max_ready"}}]\nduration = "1h"',
    `Error shaping.toml:3:25: unknown-option: 'max_rate' is no option; did you mean 'max_ready'?`,
    'Error shaping.toml:3:97: wrong-type: max_ready: expected an integer, got string',
    'Error shaping.toml:3:113: missing-key: SetConfig has no value',
  ],
  [
    'a bad trigger',
    '[["default".automation]]\nregex = "x"\naction = "Bounce"\nduration = "1h"\ntrigger = "Imediate"\n[["default".automation]]\nregex = "x"\naction = "Bounce"\nduration = "1h"\ntrigger = {Threshold = "10 an hour"}',
    `Error shaping.toml:5:1: bad-trigger: a trigger is "Immediate" or {Threshold = "10/hour"}; did you mean 'Immediate'?`,
    `Error shaping.toml:10:12: bad-throttle: trigger: '10 an hour' is no throttle such as '100/s' or 'local:20/30min,max_burst=5'`,
  ],
  [
    'a duration of a rule',
    '[["default".automation]]\nregex = "x"\naction = "Bounce"\nduration = "soon"',
    `Error shaping.toml:4:1: bad-duration: duration: 'soon' is no duration such as '5 minutes' or '1h 30m'`,
  ],
  [
    'an unknown key of a rule',
    '[["default".automation]]\nregex = "x"\naction = "Bounce"\nduration = "1h"\nmatch_intrnal = true',
    `Warn shaping.toml:5:1: unknown-rule-key: 'match_intrnal' means nothing in an automation rule; did you mean 'match_internal'?`,
  ],
  [
    'the same rule twice',
    '["default"]\nautomation = [\n  {regex = "x", action = "Bounce", duration = "1h"},\n  {regex = ["x"], action = "Bounce", duration = "1h"},\n]',
    'Warn shaping.toml:4:3: duplicate-rule: the same automation rule is there already, so this one is left out (shaping.toml:3)',
  ],
  [
    'a rule of match that is none',
    '[provider.p]\nmatch = [{MXSufix = ".x"}, {HostName = 3}]',
    `Warn shaping.toml:1:11: provider-without-match: provider 'p' has no rules in match`,
    `Error shaping.toml:2:10: bad-match: a rule of match has one of DomainSuffix, MXSuffix, HostName with a name; did you mean 'MXSuffix'?`,
    'Error shaping.toml:2:28: bad-match: a rule of match has one of DomainSuffix, MXSuffix, HostName with a name',
  ],
  [
    'a domain without quotes',
    '[foo.com]\nconnection_limit = 1\n[foo.co.uk.sources.a]\nconnection_limit = 1',
    `Error shaping.toml:1:6: unquoted-domain: Entry for domain 'foo' consists of a single DNS label. [foo.com] is a table in a table; write ["foo.com"]`,
    `Error shaping.toml:3:9: unquoted-domain: Entry for domain 'foo' consists of a single DNS label. [foo.co.uk] is a table in a table; write ["foo.co.uk"]`,
  ],
  [
    'a single label',
    '[myhook]\nconnection_limit = 1',
    `Warn shaping.toml:1:2: single-label: Entry for domain 'myhook' consists of a single DNS label. Domain names in TOML sections need to be quoted; a name that is no domain needs mx_rollup = false`,
  ],
  [
    'no TOML',
    '["example.org"]\nconnection_limit = = 1\n',
    'Error shaping.toml:2:20: syntax: invalid value\n  2 | connection_limit = = 1\n    |                    ^',
  ],
  [
    'the same heading twice',
    '["example.org"]\nsmtp_port = 25\n["example.org"]\n',
    'Error shaping.toml:3:2: syntax: trying to redefine an already defined table or value\n  3 | ["example.org"]\n    |  ^',
  ],
];

test.each(MISTAKES)('%s', async (_mistake, text, ...lines) => {
  const { findings } = await load({ 'shaping.toml': text });
  for (const { rule } of findings) told.add(rule);
  expect(await found(text)).toEqual(lines);
});

const WARN = {
  dns_fail: 'Warn',
  null_mx: 'Warn',
  aliased_site: 'Warn',
  provider_overlap: 'Warn',
  local_load: 'Warn',
  remote_load: 'Warn',
} as const;

/** What an option of kumo.shaping.load gives a level. */
const LEVELLED: typeof MISTAKES = [
  [
    'a domain that is not there',
    '["gone.example"]\nsmtp_port = 25',
    'Warn shaping.toml:1:2: dns-failure: error resolving MX for gone.example: no such domain: gone.example. Ignoring the shaping config for that domain.',
  ],
  [
    'a domain that cannot be',
    '["a b.example"]\nsmtp_port = 25',
    `Warn shaping.toml:1:2: dns-failure: error resolving MX for a b.example: 'a b.example' is not a domain. Ignoring the shaping config for that domain.`,
  ],
  [
    'a null MX',
    '["null.example"]\nsmtp_port = 25',
    'Warn shaping.toml:1:2: null-mx: domain null.example has a NULL MX and cannot be used with mx_rollup=true. Ignoring the shaping config for that domain.',
  ],
  [
    'two domains of one site',
    '["example.org"]\nsmtp_port = 25\n["example.com"]\nsmtp_port = 26',
    'Warn shaping.toml:3:2: aliased-site: multiple domain blocks alias to the same site: mx.example.org: example.org, example.com (shaping.toml:1)',
  ],
  [
    'a domain of a provider',
    '["big.example"]\nsmtp_port = 25\n[provider.big]\nmatch = [{MXSuffix = ".bigmail.net"}]\n[provider.names]\nmatch = [{DomainSuffix = ".example"}]',
    'Warn shaping.toml:1:2: provider-overlap: domain big.example is also matched by provider(s): big, names',
  ],
];

test.each(LEVELLED)('%s, at the level that is asked for', async (_mistake, text, line) => {
  const { findings } = await load({ 'shaping.toml': text }, WARN);
  for (const { rule } of findings) told.add(rule);
  expect(await found(text, WARN)).toEqual([line]);
  const errors = Object.fromEntries(Object.keys(WARN).map((option) => [option, 'Error' as const]));
  expect(await found(text, errors)).toEqual([line!.replace('Warn', 'Error')]);
  expect(await found(text)).toEqual([]);
});

test('the same domain in two files is no alias', async () => {
  const texts = { 'a.toml': '["example.org"]\nsmtp_port = 25', 'b.toml': '["example.org"]\nsmtp_port = 26' };
  expect((await load(texts, WARN)).findings).toEqual([]);
});

test('files that cannot be read, and those without a kind that cannot be decoded', async () => {
  const inputs = [
    { file: new ShapingFile('a.toml'), failure: { rule: 'unreadable-file', text: 'gone' } as const },
    { file: new ShapingFile('http://tsa/'), failure: { rule: 'unreachable-url', text: 'down' } as const },
    { file: new ShapingFile('b', '= =') },
  ];
  const load = async (levels: object) => {
    const { resolveMx } = world();
    const { findings } = await loadShaping(inputs, levels, {
      resolveMx,
      now: () => 0,
      pause: async () => {},
    });
    for (const { rule } of findings) told.add(rule);
    return findings.map(({ level, rule, raises }) => [level, rule, raises]);
  };
  expect(await load({ remote_load: 'Warn' })).toEqual([
    ['Error', 'unreadable-file', false],
    ['Warn', 'unreachable-url', false],
    ['Error', 'syntax', false],
  ]);
  expect(await load({ local_load: 'Ignore' })).toEqual([]);
});

test('JSON, with comments, has places too', async () => {
  const text =
    '{\n  // by hand\n  "example.org": {"conection_limit": 1,\n    "automation": [{"regex": "x", "action": "Halt", "duration": 5}]}\n}';
  expect(await found(text, {}, 'shaping.json')).toEqual([
    `Error shaping.json:3:19: unknown-option: 'conection_limit' is no option, in ["example.org"]; did you mean 'connection_limit'?`,
    `Error shaping.json:4:35: bad-action: 'Halt' is no action by itself`,
  ]);
  expect(await found('{"a.b":\n {"smtp_port": }}', {}, 'shaping.json')).toEqual([
    `Error shaping.json:2:16: syntax: expected a value, got '}'\n  2 |  {"smtp_port": }}\n    |                ^`,
  ]);
});

test('a file without a kind is TOML, or JSON', async () => {
  expect(await found('["example.org"]\nx = 1', {}, 'shaping')).toHaveLength(1);
  expect(await found('{"example.org": {"x": 1}}', {}, 'shaping')).toEqual([
    `Error shaping:1:18: unknown-option: 'x' is no option, in ["example.org"]`,
  ]);
  expect(await found('{"a": }', {}, 'shaping')).toEqual([
    `Error shaping:1:7: syntax: parsing shaping: as toml: illegal character in key, as json: expected a value, got '}'\n  1 | {"a": }\n    |       ^`,
  ]);
});

test('a dead source', async () => {
  const { shaping } = await load({
    'shaping.toml':
      '[default.sources.ip-1]\nsmtp_port = 1\n["example.org".sources.ip-9]\nsmtp_port = 1\n[provider.p.sources.other]\nsmtp_port = 2',
  });
  const dead = shaping.deadSources(new Set(['ip-1', 'ip-2']));
  for (const { rule } of dead) told.add(rule);
  expect(dead.map(({ line, column, text }) => [line, column, text])).toEqual([
    [
      3,
      24,
      `Source 'ip-9' is not present in your sources data. Referenced by ["example.org".sources."ip-9"]; did you mean 'ip-1'?`,
    ],
    [
      5,
      21,
      `Source 'other' is not present in your sources data. Referenced by [provider."p".sources."other"]`,
    ],
  ]);
});

test('every rule has been told of', () => {
  // What is not read here is told of where it is read.
  told.add('skipped-remote');
  expect(Object.keys(shapingRules).filter((rule) => !told.has(rule))).toEqual([]);
});
