import { describe, expect, test } from 'vitest';
import { TestResolver } from '../../src/io/dns/index.ts';
import {
  type DaneResult,
  type MtaStsPolicies,
  type MxListHost,
  type PeerTlsPolicy,
  type PlanRules,
  planMx,
  planMxList,
  resolveMx,
} from '../../src/model/index.ts';

const A = 'aa'.repeat(32);
const B = 'bb'.repeat(32);
const signed = `
$ORIGIN signed.example.
ok       MX 10 mx
mx       A 192.0.2.1
_25._tcp.mx TLSA 3 1 1 ${A}
_25._tcp.mx TLSA 0 0 1 ${B}
_2525._tcp.mx TLSA 2 0 1 ${B}
odd      MX 10 odd-mx
odd-mx   A 192.0.2.2
_25._tcp.odd-mx TLSA 1 0 1 ${A}
_25._tcp.odd-mx TLSA 3 1 1 aabb
none     MX 10 none-mx
none-mx  A 192.0.2.3
broken   MX 10 broken-mx
broken   MX 10 mx
broken-mx A 192.0.2.4
alias    MX 10 alias-mx
alias-mx CNAME mx
both     MX 10 both-mx
both-mx  CNAME none-mx
_25._tcp.both-mx TLSA 3 1 1 ${B}
away     MX 10 away-mx
away-mx  CNAME mx.plain.example.
_25._tcp.away-mx TLSA 3 1 1 ${B}
far      MX 10 mx.plain.example.
weak     MX 10 weak-mx
weak-mx  A 192.0.2.6
`;
const plain = `
$ORIGIN plain.example.
@        MX 10 mx.signed.example.
mx       A 192.0.2.9
_25._tcp.mx TLSA 3 1 1 ${A}
_25._tcp.weak-mx.signed.example. TLSA 3 1 1 ${A}
`;
const resolver = new TestResolver(
  [{ zone: signed, secure: true }, plain],
  ['_25._tcp.broken-mx.signed.example'],
);
const tlsa = (usage: number, hex: string) => ({
  usage,
  selector: usage === 2 ? 0 : 1,
  matchingType: 1,
  data: Buffer.from(hex, 'hex'),
});

const results: DaneResult[] = [];
const rules: PlanRules = {
  strategy: 'Ipv4AndIpv6',
  prohibited: () => false,
  skipped: () => false,
  random: () => 0.999,
  dane: true,
  onDane: (result) => void results.push(result),
};

const sts = (mode: 'enforce' | 'testing' | 'none'): MtaStsPolicies => ({
  find: async () => ({
    policy: { mode, mx: ['*.signed.example', '*.plain.example'], maxAge: 60 },
    ttl: 60_000,
  }),
});

async function tlsOf(
  domain: string,
  more: Partial<PlanRules> = {},
  policies?: MtaStsPolicies,
): Promise<(PeerTlsPolicy | undefined)[]> {
  results.length = 0;
  const mx = await resolveMx(domain, resolver, policies);
  const plan = await planMx(mx, resolver, { ...rules, ...more });
  return plan.kind === 'candidates' ? plan.candidates.map(({ tls }) => tls) : [];
}

describe('DANE', () => {
  test('usable records are required, without those that mail does not know', async () => {
    expect(await tlsOf('ok.signed.example')).toEqual([
      { by: 'dane', mode: 'Required', tlsa: [tlsa(3, A)], tlsaNames: ['ok.signed.example'] },
    ]);
    expect(results).toEqual(['usable']);
  });

  test('the records are those of the port that is connected to', async () => {
    const onPort = await tlsOf('ok.signed.example:2525');
    expect(onPort[0]!.tlsa).toEqual([tlsa(2, B)]);
    const remote = await tlsOf('ok.signed.example', { portFor: () => 2525 });
    expect(remote[0]!.tlsa).toEqual([tlsa(2, B)]);
    expect(await tlsOf('ok.signed.example', { portFor: () => 26 })).toEqual([undefined]);
  });

  test('records that are not usable require TLS with any certificate', async () => {
    expect(await tlsOf('odd.signed.example')).toEqual([{ by: 'dane', mode: 'RequiredInsecure' }]);
    expect(results).toEqual(['unusable']);
  });

  test('a failed look-up fails that host alone', async () => {
    const [first, second] = await tlsOf('broken.signed.example');
    expect(first).toMatchObject({
      by: 'dane',
      mode: 'Required',
      failure: expect.stringMatching(/^DANE: looking up TLSA of _25\._tcp\.broken-mx\.signed\.example/),
    });
    expect(second).toMatchObject({ mode: 'Required', tlsa: [tlsa(3, A)] });
    expect(results.toSorted()).toEqual(['failed', 'usable']);
  });

  test.each([
    ['none.signed.example', 'no records'],
    ['plain.example', 'MX that are not proved'],
    ['far.signed.example', 'an address that is not proved'],
    ['weak.signed.example', 'records that are not proved'],
    ['[192.0.2.1]', 'a literal'],
  ])('%s: %s change nothing', async (domain) => {
    expect(await tlsOf(domain)).toEqual([undefined]);
  });

  test('behind a secure alias, the records of its end go before its own', async () => {
    const names = (domain: string) => ['mx.signed.example', domain];
    expect(await tlsOf('alias.signed.example')).toEqual([
      { by: 'dane', mode: 'Required', tlsa: [tlsa(3, A)], tlsaNames: names('alias.signed.example') },
    ]);
    expect(await tlsOf('both.signed.example')).toEqual([
      { by: 'dane', mode: 'Required', tlsa: [tlsa(3, B)], tlsaNames: ['both.signed.example'] },
    ]);
  });

  test('a secure alias of something insecure has records of its own', async () => {
    expect((await tlsOf('away.signed.example'))[0]).toMatchObject({ mode: 'Required', tlsa: [tlsa(3, B)] });
  });

  test('is off unless the path asks for it', async () => {
    expect(await tlsOf('ok.signed.example', { dane: false })).toEqual([undefined]);
    expect(results).toEqual([]);
  });

  test('a host with several addresses is asked about once', async () => {
    const many = new TestResolver([
      {
        zone: `many.example. MX 1 mx.many.example.\nmx.many.example. A 192.0.2.1\nmx.many.example. A 192.0.2.2\n_25._tcp.mx.many.example. TLSA 3 1 1 ${A}\n`,
        secure: true,
      },
    ]);
    results.length = 0;
    const plan = await planMx(await resolveMx('many.example', many), many, rules);
    expect(plan.kind === 'candidates' && plan.candidates.map(({ tls }) => tls?.mode)).toEqual([
      'Required',
      'Required',
    ]);
    expect(results).toEqual(['usable']);
  });
});

describe('DANE of an mx_list', () => {
  const list: MxListHost[] = [
    { name: 'mx.signed.example' },
    { name: 'mx.signed.example', addr: '198.51.100.1:2525' },
    { name: '[192.0.2.1]' },
    { name: 'mx.plain.example' },
  ];
  const modes = async (isSecure: boolean) => {
    const plan = await planMxList(list, resolver, rules, isSecure);
    return plan.kind === 'candidates' ? plan.candidates.map(({ tls }) => tls?.tlsa?.[0]?.usage) : [];
  };

  test('counts when the list is treated as secure', async () => {
    expect(await modes(true)).toEqual([3, 2, undefined, undefined]);
    expect(await modes(false)).toEqual([undefined, undefined, undefined, undefined]);
  });
});

describe('MTA-STS', () => {
  const required = { by: 'mta-sts', mode: 'Required' };
  const lax = { by: 'mta-sts', mode: 'OpportunisticInsecure' };

  test('enforce requires a right certificate, testing asks for any', async () => {
    expect(await tlsOf('plain.example', {}, sts('enforce'))).toEqual([required]);
    expect(await tlsOf('plain.example', {}, sts('testing'))).toEqual([lax]);
    expect(await tlsOf('plain.example', {}, sts('none'))).toEqual([undefined]);
    expect(await tlsOf('plain.example', { mtaSts: false }, sts('enforce'))).toEqual([undefined]);
  });

  test('DANE goes before it; what DANE cannot check, enforce may', async () => {
    const enforced = (domain: string) => tlsOf(domain, {}, sts('enforce'));
    expect((await enforced('ok.signed.example'))[0]).toMatchObject({ by: 'dane', mode: 'Required' });
    expect(await enforced('odd.signed.example')).toEqual([required]);
    expect((await enforced('broken.signed.example'))[0]).toHaveProperty('failure');
    expect(await enforced('none.signed.example')).toEqual([required]);
    expect((await tlsOf('odd.signed.example', {}, sts('testing')))[0]).toMatchObject({
      by: 'dane',
      mode: 'RequiredInsecure',
    });
  });
});

test('a plan has at most 100 addresses, 32 of one host', async () => {
  const addresses = (host: string, net: number) =>
    Array.from({ length: 200 }, (_, n) => `${host} A 198.51.${net}.${n}`).join('\n');
  const hosts = ['a', 'b', 'c', 'd', 'e'];
  const zone = `$ORIGIN wide.example.\n${hosts.map((host, n) => `@ MX ${n} ${host}\n${addresses(host, n)}`).join('\n')}\n`;
  const wide = new TestResolver([zone]);
  const plan = await planMx(await resolveMx('wide.example', wide), wide, rules);
  const names = plan.kind === 'candidates' ? plan.candidates.map(({ name }) => name[0]) : [];
  const count = (host: string) => names.filter((name) => name === host).length;
  expect([names.length, ...hosts.map(count)]).toEqual([100, 32, 32, 32, 4, 0]);
});
