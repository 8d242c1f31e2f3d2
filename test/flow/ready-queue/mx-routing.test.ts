import { expect, test } from 'vitest';
import { createRouting, type RoutingTrust } from '../../../src/flow/ready-queue/mx-routing.ts';
import { TestResolver } from '../../../src/io/dns/index.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import type { Resolver } from '../../../src/model/index.ts';
import { egressPathOptions, egressSourceOptions } from '../../../src/model/options/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const zone = `
$ORIGIN signed.example.
@  MX 10 mx
mx A 192.0.2.1
_25._tcp.mx   TLSA 3 1 1 ${'25'.repeat(32)}
_26._tcp.mx   TLSA 3 1 1 ${'26'.repeat(32)}
_27._tcp.mx   TLSA 3 1 1 ${'27'.repeat(32)}
_2525._tcp.mx TLSA 3 1 1 ${'ff'.repeat(32)}
`;
const signed = new TestResolver([{ zone, secure: true }]);
const listed = (mx_list: { name: string }[] = [], treat_mx_list_as_secure = false) => ({
  mx_list,
  treat_mx_list_as_secure,
});

function bench(resolver: Resolver = signed, trust: RoutingTrust = {}) {
  const routing = createRouting(resolver, new FakeClock(), () => 0, trust);
  /** First octet of the record for the first address. */
  const record = async (domain: string, path = {}, source = {}, list = listed()) => {
    const site = await routing.site(domain, list);
    const plan = await site.plan(
      parseOptions(egressPathOptions, { enable_dane: true, ...path }),
      parseOptions(egressSourceOptions, { name: 'a', ...source }),
    );
    if (plan.kind !== 'candidates') return plan.kind;
    const [first] = plan.candidates[0]!.tls?.tlsa ?? [];
    return first?.data.toString('hex', 0, 1);
  };
  return { routing, record };
}

test('TLSA records are those of the port: of the source, else of the domain, else of the path', async () => {
  const { record } = bench();
  expect(await record('signed.example')).toBe('25');
  expect(await record('signed.example', { smtp_port: 26 })).toBe('26');
  expect(await record('signed.example:27', { smtp_port: 26 })).toBe('27');
  expect(await record('signed.example:27', { smtp_port: 26 }, { remote_port: 2525 })).toBe('ff');
  expect(await record('signed.example', { enable_dane: false })).toBeUndefined();
});

test('an mx_list counts when it is treated as secure', async () => {
  const { record, routing } = bench();
  const list = [{ name: 'mx.signed.example:26' }];
  expect(await record('x.example', {}, {}, listed(list, true))).toBe('26');
  expect(await record('x.example', {}, {}, listed(list))).toBeUndefined();
  const security = async (isSecure: boolean) => (await routing.site('x', listed(list, isSecure))).security;
  expect(await security(true)).not.toBe(await security(false));
});

test('enable_dane without a resolver that can say secure is told at every plan', async () => {
  let told = 0;
  const plain: Resolver = Object.assign(new TestResolver([zone]), { canBeSecure: false });
  const { record } = bench(plain, { onUselessDane: () => told++ });
  expect(await record('signed.example')).toBeUndefined();
  expect(told).toBe(1);
  await record('signed.example', { enable_dane: false });
  expect(told).toBe(1);
});

test('MTA-STS asks for TLS unless the path has it off', async () => {
  const policy = { mode: 'enforce' as const, mx: ['mx.signed.example'], maxAge: 60 };
  const { routing } = bench(signed, { mtaSts: { find: async () => ({ policy, ttl: 60_000 }) } });
  const site = await routing.site('signed.example', listed());
  const asked = async (options: object) => {
    const plan = await site.plan(
      parseOptions(egressPathOptions, options),
      parseOptions(egressSourceOptions, { name: 'a' }),
    );
    return plan.kind === 'candidates' ? plan.candidates.map(({ tls }) => tls) : plan.kind;
  };
  expect(await asked({})).toEqual([{ by: 'mta-sts', mode: 'Required' }]);
  expect(await asked({ enable_mta_sts: false })).toEqual([undefined]);
});

test('security tells sites of one name apart', async () => {
  const modes = { a: 'enforce', b: 'testing', c: 'none' } as const;
  const zones = ['a', 'b', 'c', 'd'].map((name) => `${name}.example. MX 1 mx.example.\n`);
  const { routing } = bench(new TestResolver(zones), {
    mtaSts: {
      find: async (domain) => {
        const mode = modes[domain[0] as keyof typeof modes];
        return { policy: mode && { mode, mx: ['mx.example'], maxAge: 60 }, ttl: 60_000 };
      },
    },
  });
  const sites = await Promise.all(
    ['a', 'b', 'c', 'd'].map((name) => routing.site(`${name}.example`, listed())),
  );
  expect(new Set(sites.map(({ name }) => name)).size).toBe(1);
  expect(sites.map(({ security }) => security)).toEqual([' mta-sts enforce', ' mta-sts testing', '', '']);
});
