import { describe, expect, test } from 'vitest';
import { TestResolver } from '../../src/io/dns/index.ts';
import { DnsError, type MxResolution, parseLiteral, resolveMx } from '../../src/model/index.ts';

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
