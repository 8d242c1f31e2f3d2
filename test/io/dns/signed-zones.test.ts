import { describe, expect, test } from 'vitest';
import {
  buildResolver,
  parseResolvConf,
  resolverOptionsFromPolicy,
  TestResolver,
} from '../../../src/io/dns/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const signed = `
$ORIGIN signed.example.
@ MX 10 mx
mx A 192.0.2.1
good CNAME mx
away CNAME mx.plain.example.
bare A 192.0.2.5
_25._tcp.mx TLSA 3 1 1 ${'ab'.repeat(32)}
`;
const plain = `
$ORIGIN plain.example.
mx A 192.0.2.2
into CNAME mx.signed.example.
`;
const resolver = new TestResolver([{ zone: signed, secure: true }, plain]);

describe('a test zone that is signed', () => {
  test('answers are secure, also that there are no such records', async () => {
    expect((await resolver.mx('signed.example')).secure).toBe(true);
    expect((await resolver.mx('bare.signed.example')).secure).toBe(true);
    expect((await resolver.a('mx.plain.example')).secure).toBe(false);
    expect((await resolver.mx('mx.plain.example')).secure).toBe(false);
  });

  test('a chain of aliases is as secure as its weakest link, each alias by itself', async () => {
    expect(await resolver.a('good.signed.example')).toMatchObject({
      secure: true,
      canonicalName: 'mx.signed.example',
    });
    expect(await resolver.a('away.signed.example')).toMatchObject({
      secure: false,
      canonicalName: 'mx.plain.example',
    });
    expect((await resolver.a('into.plain.example')).secure).toBe(false);
    expect(await resolver.cname('away.signed.example')).toMatchObject({
      secure: true,
      records: ['mx.plain.example'],
    });
    expect((await resolver.cname('into.plain.example')).secure).toBe(false);
  });

  test('TLSA records are decoded', async () => {
    expect(await resolver.tlsa('_25._tcp.mx.signed.example')).toMatchObject({
      secure: true,
      records: [{ usage: 3, selector: 1, matchingType: 1, data: Buffer.from('ab'.repeat(32), 'hex') }],
    });
    await expect(resolver.tlsa('_26._tcp.mx.signed.example')).rejects.toMatchObject({ kind: 'nxdomain' });
  });
});

describe('whose AD bit counts', () => {
  const system = parseResolvConf('nameserver 192.0.2.53\noptions trust-ad\n');

  test('trust-ad of resolv.conf is about the servers of resolv.conf', () => {
    expect(resolverOptionsFromPolicy({}, system).trustAd).toBe(true);
    const others = { name_servers: [{ socket_addr: { address: '192.0.2.54', port: 53 } }] };
    expect(resolverOptionsFromPolicy(others, system).trustAd).toBe(false);
    expect(resolverOptionsFromPolicy({ ...others, options: { trust_ad: true } }, system).trustAd).toBe(true);
    expect(resolverOptionsFromPolicy({ options: { trust_ad: false } }, system).trustAd).toBe(false);
  });

  test('an aggregate can be secure when one of it can', () => {
    const test = { kind: 'test' as const, options: { zones: [], servfail: [] } };
    const build = (of: Parameters<typeof buildResolver>[0][]) =>
      buildResolver({ kind: 'aggregate', of }, new FakeClock());
    expect(build([test]).canBeSecure).toBe(true);
    expect(build([]).canBeSecure).toBe(false);
  });
});
