import { describe, expect, test } from 'vitest';
import { TestResolver } from '../../src/io/dns/index.ts';
import {
  type ConnectionPlan,
  type MxListHost,
  mxListSiteName,
  type PlanRules,
  planMx,
  planMxList,
  resolveMx,
} from '../../src/model/index.ts';

const resolver = new TestResolver([
  `
$ORIGIN example.com.
@     MX 10 one
@     MX 20 two
@     MX 20 three
@     MX 30 gone
one   A 192.0.2.1
one   AAAA 2001:db8::1
two   A 192.0.2.2
three A 192.0.2.3
four  A 192.0.2.4
six   AAAA 2001:db8::6
null  MX 0 .
dead  MX 0 gone
`,
]);

const open: PlanRules = {
  strategy: 'Ipv4AndIpv6',
  prohibited: () => false,
  skipped: () => false,
  random: () => 0,
};

async function plan(domain: string, rules: Partial<PlanRules> = {}): Promise<ConnectionPlan> {
  return planMx(await resolveMx(domain, resolver), resolver, { ...open, ...rules });
}

async function addresses(domain: string, rules: Partial<PlanRules> = {}): Promise<string[]> {
  const planned = await plan(domain, rules);
  return planned.kind === 'candidates' ? planned.candidates.map((host) => host.address) : [planned.kind];
}

describe('planMx', () => {
  test('goes by preference and leaves out what does not resolve', async () => {
    expect(await plan('example.com:26', { strategy: 'Ipv4Only', random: () => 0.99 })).toEqual({
      kind: 'candidates',
      candidates: [
        { name: 'one.example.com', address: '192.0.2.1', port: 26 },
        { name: 'three.example.com', address: '192.0.2.3', port: 26 },
        { name: 'two.example.com', address: '192.0.2.2', port: 26 },
      ],
    });
  });

  test('shuffles the addresses of one preference, not the preferences', async () => {
    expect(await addresses('example.com', { strategy: 'Ipv4Only', random: () => 0 })).toEqual([
      '192.0.2.1',
      '192.0.2.2',
      '192.0.2.3',
    ]);
  });

  test.each([
    ['Ipv4Only', 'one', ['192.0.2.1']],
    ['Ipv6Only', 'one', ['2001:db8::1']],
    ['Ipv4AndIpv6', 'one', ['2001:db8::1', '192.0.2.1']],
    ['Ipv4ThenIpv6', 'one', ['192.0.2.1']],
    ['Ipv6ThenIpv4', 'one', ['2001:db8::1']],
    ['Ipv4ThenIpv6', 'six', ['2001:db8::6']],
    ['Ipv6ThenIpv4', 'four', ['192.0.2.4']],
    ['Ipv4Only', 'six', ['none']],
  ] as const)('%s of %s', async (strategy, host, expected) => {
    expect(await addresses(`${host}.example.com`, { strategy })).toEqual(expected);
  });

  test('a literal needs no DNS', async () => {
    expect(await addresses('[192.0.2.77]:25')).toEqual(['192.0.2.77']);
  });

  test('one prohibited address is enough, and it comes before skipping', async () => {
    expect(
      await plan('example.com', { prohibited: (ip) => ip === '192.0.2.3', skipped: () => true }),
    ).toEqual({ kind: 'prohibited', host: 'three.example.com', address: '192.0.2.3' });
  });

  test('skipped addresses are left out', async () => {
    const skipped = (ip: string): boolean => ip !== '192.0.2.2';
    expect(await addresses('example.com', { skipped })).toEqual(['192.0.2.2']);
    expect(await addresses('example.com', { skipped: () => true })).toEqual(['all-skipped']);
  });

  test('null MX, and MX without addresses', async () => {
    expect(await addresses('null.example.com')).toEqual(['null-mx']);
    expect(await addresses('dead.example.com')).toEqual(['none']);
  });
});

const LIST: MxListHost[] = [
  { name: 'two.example.com:2525' },
  { name: '[192.0.2.9]:26' },
  { name: 'gone.example.com' },
  { name: 'mail.example.org', addr: '192.0.2.10:27' },
  { name: '127.0.0.1:2526' },
  { name: 'one.example.com' },
];

test('an mx_list keeps its order', async () => {
  const planned = await planMxList(LIST, resolver, { ...open, strategy: 'Ipv4Only', random: () => 0.5 });
  expect(planned).toEqual({
    kind: 'candidates',
    candidates: [
      { name: 'two.example.com', address: '192.0.2.2', port: 2525 },
      { name: '192.0.2.9', address: '192.0.2.9', port: 26 },
      { name: 'mail.example.org', address: '192.0.2.10', port: 27 },
      { name: '127.0.0.1', address: '127.0.0.1', port: 2526 },
      { name: 'one.example.com', address: '192.0.2.1', port: undefined },
    ],
  });
  expect(mxListSiteName(LIST)).toBe(
    'mx_list:two.example.com:2525,[192.0.2.9]:26,gone.example.com,192.0.2.10:27,127.0.0.1:2526,one.example.com',
  );
});
