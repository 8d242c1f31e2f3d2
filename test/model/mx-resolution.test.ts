import { describe, expect, test } from 'vitest';
import { TestResolver } from '../../src/io/dns/index.ts';
import {
  DnsError,
  MtaStsError,
  type MtaStsPolicies,
  type MtaStsPolicy,
  type MxResolution,
  parseLiteral,
  resolveMx,
} from '../../src/model/index.ts';

const ZONE = `
$ORIGIN example.com.
@        MX 20 MX-b
@        MX 20 mx-a
@        MX 10 zz.other.net.
nomx     A 192.0.2.1
nullmx   MX 0 .
mixed    MX 0 .
mixed    MX 5 mx-a
xn--bcher-kva A 192.0.2.2
`;

const resolver = new TestResolver(
  [ZONE, { zone: 'secure.example. MX 1 mx.secure.example.', secure: true }],
  ['broken.example'],
);

function resolve(domain: string): Promise<MxResolution> {
  return resolveMx(domain, resolver);
}

describe('resolveMx', () => {
  test('groups by preference and sorts inside each', async () => {
    expect(await resolve('Example.COM')).toEqual({
      domain: 'example.com',
      groups: [
        { preference: 10, hosts: ['zz.other.net'] },
        { preference: 20, hosts: ['mx-a.example.com', 'mx-b.example.com'] },
      ],
      port: undefined,
      siteName: '(zz|mx-a|mx-b).(other|example).(net|com)',
      isLiteral: false,
      isMx: true,
      isNullMx: false,
      isSecure: false,
      mtaSts: 'none',
      ttl: 30_000,
    });
  });

  test('without MX the domain is its own host', async () => {
    const mx = await resolve('nomx.example.com.');
    expect(mx.groups).toEqual([{ preference: 1, hosts: ['nomx.example.com'] }]);
    expect(mx).toMatchObject({ isMx: false, siteName: 'nomx.example.com' });
  });

  test('a port is taken off and applies to every host', async () => {
    const mx = await resolve('example.com:2525');
    expect(mx).toMatchObject({ domain: 'example.com', port: 2525 });
    expect(mx.siteName).toBe('(zz|mx-a|mx-b).(other|example).(net:2525|com:2525)');
    expect((await resolve('nomx.example.com:26')).siteName).toBe('nomx.example.com:26');
  });

  test('null MX', async () => {
    expect(await resolve('nullmx.example.com')).toMatchObject({ isNullMx: true, groups: [], siteName: '' });
    expect(await resolve('mixed.example.com')).toMatchObject({
      isNullMx: false,
      groups: [{ preference: 5, hosts: ['mx-a.example.com'] }],
    });
  });

  test('U-labels become A-labels, and A-labels stay, also without MX', async () => {
    for (const domain of ['bücher.example.com', 'BÜCHER.example.com', 'xn--bcher-kva.example.com']) {
      expect((await resolve(domain)).groups[0]!.hosts).toEqual(['xn--bcher-kva.example.com']);
    }
  });

  test('what DNS says about security is kept', async () => {
    expect((await resolve('secure.example')).isSecure).toBe(true);
  });

  test.each(['absent.example', 'absent.example:25'])('%s does not exist', async (domain) => {
    await expect(resolve(domain)).rejects.toMatchObject({ kind: 'nxdomain' });
  });

  test('a failing server is an error', async () => {
    await expect(resolve('broken.example')).rejects.toBeInstanceOf(DnsError);
  });

  test.each(['', '.', 'a b', '[not-an-address]', 'x@y'])('%j is no domain', async (domain) => {
    await expect(resolve(domain)).rejects.toThrow('is not a domain');
  });
});

describe('the MTA-STS policy of a domain', () => {
  const asked: string[] = [];
  const having = (policy: Partial<MtaStsPolicy> | undefined, ttl = 60_000): MtaStsPolicies => ({
    find: async (domain) => {
      asked.push(domain);
      return { policy: policy && { mode: 'enforce', mx: [], maxAge: 60, ...policy }, ttl };
    },
  });
  const under = (policies: MtaStsPolicies, domain = 'example.com') => resolveMx(domain, resolver, policies);

  test('that allows every host changes nothing', async () => {
    const mx = await under(having({ mx: ['*.example.com', 'zz.other.net'] }));
    expect(mx).toEqual({ ...(await resolve('example.com')), mtaSts: 'enforce' });
  });

  test('leaves hosts out that it does not allow, before the site has its name', async () => {
    const mx = await under(having({ mx: ['mx-b.example.com'] }));
    expect(mx).toMatchObject({
      groups: [{ preference: 20, hosts: ['mx-b.example.com'] }],
      siteName: 'mx-b.example.com',
      mtaSts: 'enforce',
    });
  });

  test('that allows no host makes the domain unreachable for now', async () => {
    await expect(under(having({ mx: ['mail.example.org'] }))).rejects.toThrow(
      new MtaStsError('the MTA-STS policy of example.com allows none of its MX'),
    );
  });

  test.each(['testing', 'none'] as const)('of mode %s is only noted', async (mode) => {
    const mx = await under(having({ mode, mx: ['mail.example.org'] }));
    expect(mx).toEqual({ ...(await resolve('example.com')), mtaSts: mode });
  });

  test('bounds how long the answer holds, also when it cannot be had', async () => {
    expect((await under(having(undefined, 5000))).ttl).toBe(5000);
    expect((await under(having(undefined, 5000))).mtaSts).toBe('none');
    expect((await under(having({ mode: 'testing' }, Number.POSITIVE_INFINITY))).ttl).toBe(30_000);
  });

  test('is asked for only where there are real MX', async () => {
    asked.length = 0;
    const refusing = having({ mx: ['mail.example.org'] });
    for (const domain of ['nomx.example.com', 'nullmx.example.com', '[192.0.2.1]'])
      expect((await under(refusing, domain)).mtaSts).toBe('none');
    await expect(under(refusing, 'absent.example')).rejects.toBeInstanceOf(DnsError);
    expect(asked).toEqual([]);
    await under(having({ mode: 'testing' }), 'Example.COM:2525');
    expect(asked).toEqual(['example.com']);
  });
});

test('of 1,000 MX the best 100 count', async () => {
  const host = (n: number): string => `mx${String(n).padStart(4, '0')}`;
  const zone = Array.from({ length: 1000 }, (_, n) => `@ MX ${n < 60 ? 5 : 10} ${host(n)}`);
  const many = new TestResolver([`$ORIGIN many.example.\n${zone.join('\n')}`]);
  const mx = await resolveMx('many.example', many);
  expect(mx.groups.map(({ preference, hosts }) => [preference, hosts.length])).toEqual([
    [5, 60],
    [10, 40],
  ]);
  expect(mx.groups[1]!.hosts[39]).toBe('mx0099.many.example');
  expect(mx.siteName.length).toBeLessThan(1000);
});

test.each([
  ['[10.0.0.1]', '10.0.0.1', undefined, '10.0.0.1'],
  ['[10.0.0.1:25]', '10.0.0.1', 25, '10.0.0.1:25'],
  ['[10.0.0.1]:2525', '10.0.0.1', 2525, '10.0.0.1:2525'],
  ['[IPv6:2001:DB8::1]', '2001:db8::1', undefined, '2001:db8::1'],
  ['[::1]', '::1', undefined, '::1'],
  ['[IPv6:::1]:26', '::1', 26, '[::1]:26'],
])('literal %s', async (text, address, port, site) => {
  expect(parseLiteral(text)).toEqual({ address, port });
  const mx = await resolve(text);
  expect(mx).toMatchObject({ isLiteral: true, port, siteName: site });
  expect(mx.groups).toEqual([{ preference: 1, hosts: [address] }]);
});
