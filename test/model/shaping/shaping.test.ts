import { expect, test } from 'vitest';
import { DnsError } from '../../../src/model/index.ts';
import { LastSites, logFacts, ShapingFile } from '../../../src/model/shaping/index.ts';
import { load, world } from './load-texts.ts';

const SITE = 'mx.example.org';
const BIG = '(a|b).mx.bigmail.net';

async function resolved(
  texts: Readonly<Record<string, string>>,
  [domain, source, site]: [string, string, string] = ['example.org', 'ip-1', SITE],
) {
  const { shaping, findings } = await load(texts);
  expect(findings.filter(({ level }) => level === 'Error')).toEqual([]);
  return shaping.pathParameters(domain, source, site);
}

test('later layers win: default, provider, their sources, site, domain, their sources', async () => {
  const layers = [
    ['["default"]', 'max_ready'],
    ['["default".sources."ip-1"]', 'max_recipients_per_batch'],
    ['[provider.p]', 'max_deliveries_per_connection'],
    ['[provider.p.sources."ip-1"]', 'consecutive_connection_failures_before_delay'],
    ['["example.org"]', 'smtp_port'],
    ['["EXAMPLE.net"]\nmx_rollup = false', 'connection_limit'],
    ['["example.org".sources."ip-1"]', 'max_message_rate'],
    ['["example.net".sources."ip-1"]', 'max_connection_rate'],
  ] as const;
  const options = layers.map(([, option]) => option);
  const value = (option: string, layer: number): string =>
    option.endsWith('rate') ? `"${layer + 1}/s"` : String(layer + 1);
  // Every layer sets its own option and those of all layers above; what is left shows the order.
  const text = layers
    .map(
      ([heading], index) =>
        `${heading}\n${options
          .slice(index)
          .map((option) => `${option} = ${value(option, index)}`)
          .join('\n')}`,
    )
    .join('\n')
    .replace('[provider.p]', '[provider.p]\nmatch = [{DomainSuffix = ".net"}]')
    .replace('["example.net".sources', '["EXAMPLE.net".sources');
  expect(await resolved({ 'a.toml': text }, ['example.net', 'ip-1', SITE])).toEqual({
    ...Object.fromEntries(options.map((option, index) => [option, JSON.parse(value(option, index))])),
    provider_name: 'p',
  });
});

test('later files merge option by option, tables of limits key by key, rules are added', async () => {
  const { shaping } = await load({
    'a.toml': `["example.org"]
smtp_port = 1
max_ready = 1
[ "example.org".additional_connection_limits ]
one = 1
two = 2
["example.org".sources."ip-1"]
max_message_rate = "1/s"
max_connection_rate = "1/s"
[["example.org".automation]]
regex = "a"
action = "Bounce"
duration = "1h"`,
    'b.json': JSON.stringify({
      'example.com': {
        max_ready: 2,
        additional_connection_limits: { two: 20, three: 3 },
        sources: { 'ip-1': { max_message_rate: '2/s' }, 'ip-2': { max_message_rate: '3/s' } },
        automation: [{ regex: 'b', action: 'Suspend', duration: 60 }],
      },
    }),
  });
  expect(shaping.pathParameters('example.org', 'ip-1', SITE)).toEqual({
    smtp_port: 1,
    max_ready: 2,
    additional_connection_limits: { one: 1, two: 20, three: 3 },
    max_message_rate: '2/s',
    max_connection_rate: '1/s',
  });
  expect(shaping.referencedSources()).toEqual(
    new Map([
      ['ip-1', [`site:${SITE}`]],
      ['ip-2', [`site:${SITE}`]],
    ]),
  );
  const rules = await shaping.matchRules(
    logFacts({
      recipient: 'x@example.org',
      site: `ip-1->${SITE}@smtp_client`,
      response: { code: 400, content: 'ab' },
    })!,
  );
  expect(rules.map(({ regex, isRollup }) => [regex, isRollup])).toEqual([
    [['a'], true],
    [['b'], true],
  ]);
});

const UNDERNEATH = `["default"]
max_ready = 1
[provider.p]
match = [{DomainSuffix = ".org"}]
provider_connection_limit = 5
["default".sources."ip-1"]
max_connection_rate = "1/s"
`;

test.each([
  ['first', { 'a.toml': `${UNDERNEATH}["example.org"]\nreplace_base = true\nsmtp_port = 2` }],
  [
    'later',
    {
      'a.toml': `${UNDERNEATH}["example.org"]\nmax_recipients_per_batch = 3`,
      'b.toml': '["example.org"]\nreplace_base = true\nsmtp_port = 2',
    },
  ],
  [
    'earlier',
    {
      'a.toml': UNDERNEATH,
      'b.toml': '["example.org"]\nreplace_base = true',
      'c.toml': '["example.org"]\nsmtp_port = 2',
    },
  ],
])('replace_base in the %s block: nothing underneath holds', async (_where, texts) => {
  expect(await resolved(texts)).toEqual({ smtp_port: 2 });
});

test('replace_base of a domain leaves its site out too', async () => {
  const text = `${UNDERNEATH}["example.org"]\nmax_ready = 7\n["example.org".sources."ip-1"]\nmax_ready = 8\n["example.com"]\nmx_rollup = false\nreplace_base = true\nsmtp_port = 2`;
  expect(await resolved({ 'a.toml': text }, ['example.com', 'ip-1', SITE])).toEqual({ smtp_port: 2 });
  expect(await resolved({ 'a.toml': text })).toMatchObject({ max_ready: 8, provider_name: 'p' });
});

test('a name that is no domain takes its own block, and no provider', async () => {
  const name = 'http://127.0.0.1:8008.tsa.kumomta';
  const text = `[provider.p]\nmatch = [{DomainSuffix = "kumomta"}]\nmax_ready = 1\n["${name}"]\nmx_rollup = false\nsmtp_port = 2`;
  expect(await resolved({ 'a.toml': text }, [name, 'ip-1', name])).toEqual({ smtp_port: 2 });
});

const PROVIDERS = `[provider.big]
match = [{MXSuffix = ".MX.bigmail.net"}, {HostName = "mx.other.example"}]
provider_connection_limit = 20
provider_max_message_rate = "100/s"
max_ready = 5
[provider.big.sources."ip-2"]
provider_source_selection_rate = "500/d,max_burst=1"
provider_connection_limit = 2
[provider.last]
match = [{DomainSuffix = "big.example"}]
max_ready = 6
`;

test('providers: every MX must match; their limits are shared by the paths of a source', async () => {
  const { shaping } = await load({ 'a.toml': PROVIDERS });
  expect(await shaping.pathParameters('big.example', 'ip-2', BIG)).toEqual({
    max_ready: 6,
    provider_name: 'last',
    additional_connection_limits: { 'shaping-provider-big-ip-2-limit': 2 },
    additional_message_rate_throttles: { 'shaping-provider-big-ip-2-rate': '100/s' },
    additional_source_selection_rates: { 'shaping-provider-big-ip-2-selection-rate': '500/d,max_burst=1' },
  });
  expect(await shaping.pathParameters('Other.example', 'ip-1', 'x')).toEqual({
    max_ready: 5,
    provider_name: 'big',
    additional_connection_limits: { 'shaping-provider-big-ip-1-limit': 20 },
    additional_message_rate_throttles: { 'shaping-provider-big-ip-1-rate': '100/s' },
  });
  for (const domain of ['half.example', 'null.example', 'gone.example', 'example.org'])
    expect(await shaping.pathParameters(domain, 'ip-1', 'x')).toEqual({});
});

test('later definitions of a provider merge like everything else', async () => {
  const { shaping } = await load({
    'a.toml': PROVIDERS,
    'b.toml': '[provider.big]\nprovider_max_message_rate = "7/s"\nmatch = [{HostName = "mx.example.org"}]',
  });
  expect(await shaping.pathParameters('example.com', 'ip-1', SITE)).toMatchObject({
    additional_connection_limits: { 'shaping-provider-big-ip-1-limit': 20 },
    additional_message_rate_throttles: { 'shaping-provider-big-ip-1-rate': '7/s' },
  });
});

test('what was resolved is kept as long as the MX holds', async () => {
  const from = world();
  const { shaping } = await load({ 'a.toml': PROVIDERS }, {}, from);
  const first = await shaping.pathParameters('other.example', 'ip-1', 'x');
  expect(shaping.pathParameters('other.example', 'ip-1', 'x')).toBe(first);
  expect(from.asked).toEqual(['other.example']);
  from.now = 30_000;
  await shaping.pathParameters('other.example', 'ip-1', 'x');
  expect(from.asked).toEqual(['other.example', 'other.example']);
});

test('an MX that was not to be had is asked for again', async () => {
  const from = world();
  const { shaping } = await load({ 'a.toml': PROVIDERS }, {}, from);
  for (const now of [0, 4999, 5000]) {
    from.now = now;
    await shaping.pathParameters('gone.example', 'ip-1', 'x');
  }
  expect(from.asked).toEqual(['gone.example', 'gone.example']);
});

test('each option says where it comes from', async () => {
  const { shaping } = await load({
    'a.toml': `["default"]\nmax_ready = 1\nsmtp_port = 25\n\n${PROVIDERS}`,
    'http://tsa/get_config_v1/shaping.toml':
      '["big.example"]\nmx_rollup = false\n["big.example".sources."ip-2"]\n# reason: slow\nmax_connection_rate = "1/m"',
    'b.toml':
      '["big.example"]\n  smtp_port = 26\n  [ "big.example".additional_connection_limits ]\n  all = 3',
  });
  const explained = await shaping.explain('big.example', 'ip-2', BIG);
  const provider = { kind: 'provider', file: 'a.toml', provider: 'big' };
  expect(
    Object.fromEntries(explained.map(({ option, value, origin }) => [option, { value, ...origin }])),
  ).toEqual({
    max_ready: {
      value: 6,
      kind: 'provider',
      section: '[provider."last"]',
      file: 'a.toml',
      line: 15,
      column: 1,
      provider: 'last',
    },
    smtp_port: { value: 26, kind: 'file', section: '["big.example"]', file: 'b.toml', line: 2, column: 3 },
    'additional_connection_limits.all': {
      value: 3,
      kind: 'file',
      section: '["big.example"]',
      file: 'b.toml',
      line: 4,
      column: 3,
    },
    'additional_connection_limits.shaping-provider-big-ip-2-limit': {
      value: 2,
      ...provider,
      section: '[provider."big".sources."ip-2"]',
      line: 12,
      column: 1,
    },
    'additional_message_rate_throttles.shaping-provider-big-ip-2-rate': {
      value: '100/s',
      ...provider,
      section: '[provider."big"]',
      line: 8,
      column: 1,
    },
    'additional_source_selection_rates.shaping-provider-big-ip-2-selection-rate': {
      value: '500/d,max_burst=1',
      ...provider,
      section: '[provider."big".sources."ip-2"]',
      line: 11,
      column: 1,
    },
    provider_name: {
      value: 'last',
      kind: 'provider',
      section: '[provider."last"]',
      file: 'a.toml',
      line: 13,
      column: 11,
      provider: 'last',
    },
    max_connection_rate: {
      value: '1/m',
      kind: 'automation',
      section: '["big.example".sources."ip-2"]',
      file: 'http://tsa/get_config_v1/shaping.toml',
      line: 5,
      column: 1,
    },
  });
});

test('automation rules: of the default, providers, site and domain, and of internal replies only where asked', async () => {
  const rule = (regex: string, more = '') =>
    `automation = [{regex = "${regex}", action = "Suspend", duration = "1h"${more}}]\n`;
  const { shaping } = await load({
    'a.toml': `["big.example"]\n${rule('slow', ', trigger = {Threshold = "3/hour"}')}
["BIG.example"]\nmx_rollup = false\n${rule('^450 4.7.1 Slow(?i)SLOW')}${''}
[provider.big]\nmatch = [{MXSuffix = ".bigmail.net"}]\n${rule('4\\\\.7')}
["default"]\nautomation = [{regex = ["nothing", "down$"], action = "Suspend", duration = "1h"}, {regex = "timed", action = "Bounce", duration = 5, match_internal = true}]`,
  });
  const ask = async (content: string, record: object = {}) => {
    const response = {
      code: 450,
      enhanced_code: { class: 4, subject: 7, detail: 1 },
      content,
      command: null,
    };
    const facts = logFacts({
      recipient: ['x@big.example', 'y@gone.example'],
      site: `a->${BIG}@smtp_client`,
      response,
      ...record,
    });
    return facts === undefined
      ? undefined
      : (await shaping.matchRules(facts)).map(({ regex, isRollup }) => [regex[0], isRollup]);
  };
  expect(await ask('Slowslow\r\nslow down')).toEqual([
    ['nothing', true],
    ['4\\.7', false],
    ['slow', true],
    ['^450 4.7.1 Slow(?i)SLOW', false],
  ]);
  expect(await ask('fine')).toEqual([['4\\.7', false]]);
  expect(await ask('fine', { recipient: 'x@example.org', site: '' })).toEqual([]);
  expect(await ask('KumoMTA internal: timed out, slow down')).toEqual([['timed', true]]);
  expect(await ask('slow', { recipient: 'postmaster' })).toBeUndefined();
});

test('the hash is of what files say and of what was found', async () => {
  const hash = async (text: string) => (await load({ 'a.toml': text })).shaping.hash();
  const one = await hash('["example.org"]\nsmtp_port = 25');
  expect(one).toMatch(/^[0-9a-f]{64}$/);
  expect(await hash('# a comment\n["example.org"]\n\nsmtp_port   = 25')).toBe(one);
  expect(await hash('["example.org"]\nsmtp_port = 26')).not.toBe(one);
  expect(await hash('["example.org"]\nsmtp_port = 25\n[provider.p]')).not.toBe(one);
});

test('names from files are only names', async () => {
  const text =
    '["__proto__"]\nmx_rollup = false\nsmtp_port = 1\n["constructor"]\nmx_rollup = false\n[ "constructor".additional_connection_limits ]\n__proto__ = 3\n';
  const { shaping, findings } = await load({ 'a.toml': text });
  expect(findings).toEqual([]);
  expect(await shaping.pathParameters('__proto__', 'ip', 'x')).toEqual({ smtp_port: 1 });
  const limits = (await shaping.pathParameters('constructor', 'ip', 'x'))
    .additional_connection_limits as object;
  expect(Object.keys(limits)).toEqual(['__proto__']);
  expect(await shaping.pathParameters('toString', 'valueOf', 'hasOwnProperty')).toEqual({});
});

test('an empty file says nothing', () => {
  expect(new ShapingFile('a.toml', '').table).toEqual({});
  expect(new ShapingFile('a.toml').problem).toBeUndefined();
});

test('while DNS fails a domain keeps its site; one that is gone does not', async () => {
  const sites = new LastSites();
  const from = world();
  const failing = (kind: 'timeout' | 'nxdomain') => () => Promise.reject(new DnsError(kind, kind));
  await expect(sites.find('example.org', failing('timeout'))).rejects.toThrow('timeout');
  expect((await sites.find('example.org', from.resolveMx)).siteName).toBe(SITE);
  // Asked for again the next time.
  expect(await sites.find('example.org', failing('timeout'))).toMatchObject({ siteName: SITE, ttl: 5000 });
  await expect(sites.find('example.org', failing('nxdomain'))).rejects.toThrow('nxdomain');
});
