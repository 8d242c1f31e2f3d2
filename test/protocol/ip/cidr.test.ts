import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { expect, test } from 'vitest';
import {
  CidrSet,
  cidrContains,
  formatHostPort,
  isIpAddress,
  parseCidr,
  parseHostPort,
  parseIpv4,
} from '../../../src/protocol/ip/index.ts';

test.each(['10.0.0.0/8', '0.0.0.0/0', '::/0', '192.0.2.1', '2001:db8::/32', '::1', '::ffff:10.0.0.0/104'])(
  '%s is a block',
  (text) => {
    expect(() => parseCidr(text)).not.toThrow();
  },
);

test.each([
  ['10.0.0.1/8', 'host bits'],
  ['2001:db8::1/32', 'host bits'],
  ['10.0.0.0/33', 'prefix length'],
  ['10.0.0.0/', 'prefix length'],
  ['10.0.0.0/ 8', 'prefix length'],
  ['::/129', 'prefix length'],
  ['10.0.0', 'no IP address'],
  ['010.0.0.1', 'no IP address'],
  ['0x10.0.0.1', 'no IP address'],
  ['fe80::1%eth0', 'no IP address'],
  ['example.com', 'no IP address'],
  ['', 'no IP address'],
])('%j is refused', (text, reason) => {
  expect(() => parseCidr(text)).toThrow(reason);
});

test('a set answers for IPv4, IPv6 and IPv4 in IPv6', () => {
  const set = new CidrSet(['127.0.0.1', '10.0.0.0/8', '192.168.0.0/16', '2001:db8::/32', '::1']);
  for (const inside of ['127.0.0.1', '10.255.0.1', '192.168.3.4', '2001:db8::5', '::1', '::ffff:10.0.0.1']) {
    expect(set.has(inside), inside).toBe(true);
  }
  for (const outside of ['127.0.0.2', '11.0.0.0', '192.169.0.0', '2001:db9::', '::2', 'x', '10.0.0.1:25']) {
    expect(set.has(outside), outside).toBe(false);
  }
  expect(new CidrSet(['0.0.0.0/0']).has('255.1.2.3')).toBe(true);
  expect(new CidrSet(['0.0.0.0/0']).has('::1')).toBe(false);
});

test('agrees with ipaddr.js', () => {
  const ipv4 = fc.ipV4();
  fc.assert(
    fc.property(ipv4, ipv4, fc.nat(32), (host, peer, prefix) => {
      const network = ipaddr.IPv4.networkAddressFromCIDR(`${host}/${prefix}`).toString();
      const block = parseCidr(`${network}/${prefix}`);
      expect(cidrContains(block, peer)).toBe(
        ipaddr.IPv4.parse(peer).match([ipaddr.IPv4.parse(network), prefix]),
      );
      expect(new CidrSet([`${network}/${prefix}`]).has(host)).toBe(true);
    }),
  );
  fc.assert(
    fc.property(fc.ipV6(), fc.nat(128), (host, prefix) => {
      const address = ipaddr.IPv6.parse(host);
      fc.pre(!address.isIPv4MappedAddress());
      const network = ipaddr.IPv6.networkAddressFromCIDR(`${address.toString()}/${prefix}`);
      fc.pre(!network.isIPv4MappedAddress());
      expect(new CidrSet([`${network.toString()}/${prefix}`]).has(host)).toBe(true);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('0', '1', '2', '5', '.'), maxLength: 15 }), (text) => {
      const strict = ipaddr.IPv4.isValidFourPartDecimal(text);
      expect(parseIpv4(text) >= 0).toBe(strict);
    }),
  );
});

test('hosts with ports', () => {
  expect(parseHostPort('[::1]:25')).toEqual({ address: '::1', port: 25 });
  expect(parseHostPort('127.0.0.1:0')).toEqual({ address: '127.0.0.1', port: 0 });
  expect(formatHostPort('::1', 25)).toBe('[::1]:25');
  for (const text of ['::1:25', '[x]:25', ':25', 'a:', 'a:65536', 'a'])
    expect(parseHostPort(text), text).toBeUndefined();
  expect(isIpAddress('::')).toBe(true);
});
