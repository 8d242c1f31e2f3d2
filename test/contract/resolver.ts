import { describe, expect, test } from 'vitest';
import type { Resolver } from '../../src/model/index.ts';

/** The zone that a resolver under contract answers from. */
export const CONTRACT_ZONE = `
$ORIGIN contract.example.
$TTL 60
@      MX 10 mx
@      TXT "one " "text"
@      TXT two
mx     120 IN A 192.0.2.1
mx     A 192.0.2.2
mx     AAAA 2001:db8::1
alias  CNAME mx
null   MX 0 .
deep.er A 192.0.2.3
loop   CNAME pool
pool   CNAME loop
_25._tcp.mx TLSA 3 1 1 0011223344556677 8899aabbccddeeff 00112233445566778899aabbccddeeff
`;
export const CONTRACT_REVERSE = '1.2.0.192.in-addr.arpa. 60 PTR mx.contract.example.\n';

/** What every implementation of Resolver keeps, over the contract zones. */
export function resolverContract(name: string, make: () => Promise<Resolver>): void {
  describe(`${name} keeps the contract of Resolver`, () => {
    test('records of each type', async () => {
      const resolver = await make();
      expect((await resolver.mx('contract.example')).records).toEqual([
        { preference: 10, exchange: 'mx.contract.example' },
      ]);
      expect((await resolver.a('mx.contract.example')).records.toSorted()).toEqual([
        '192.0.2.1',
        '192.0.2.2',
      ]);
      expect((await resolver.aaaa('mx.contract.example')).records).toEqual(['2001:db8::1']);
      expect((await resolver.txt('contract.example')).records.toSorted()).toEqual(['one text', 'two']);
      expect((await resolver.ptr('192.0.2.1')).records).toEqual(['mx.contract.example']);
    });

    test('case and a trailing dot do not matter', async () => {
      const resolver = await make();
      expect((await resolver.a('MX.Contract.Example.')).records).toHaveLength(2);
    });

    test('TTL in milliseconds, the smallest of the set', async () => {
      expect((await (await make()).a('mx.contract.example')).ttl).toBe(60_000);
    });

    test('aliases', async () => {
      const resolver = await make();
      expect((await resolver.aaaa('alias.contract.example')).records).toEqual(['2001:db8::1']);
      await expect(resolver.a('loop.contract.example')).rejects.toMatchObject({ kind: 'servfail' });
    });

    test('TLSA, and an alias itself', async () => {
      const resolver = await make();
      const data = Buffer.from('00112233445566778899aabbccddeeff'.repeat(2), 'hex');
      expect((await resolver.tlsa('_25._tcp.mx.contract.example')).records).toEqual([
        { usage: 3, selector: 1, matchingType: 1, data },
      ]);
      expect((await resolver.tlsa('mx.contract.example')).records).toEqual([]);
      expect((await resolver.cname('alias.contract.example')).records).toEqual(['mx.contract.example']);
      expect((await resolver.cname('mx.contract.example')).records).toEqual([]);
    });

    test('null MX', async () => {
      expect((await (await make()).mx('null.contract.example')).records).toEqual([
        { preference: 0, exchange: '' },
      ]);
    });

    test('a name without such records is empty, one that is not there is an error', async () => {
      const resolver = await make();
      expect((await resolver.mx('mx.contract.example')).records).toEqual([]);
      expect((await resolver.a('er.contract.example')).records).toEqual([]);
      await expect(resolver.a('absent.contract.example')).rejects.toMatchObject({ kind: 'nxdomain' });
      await expect(resolver.a('not a name')).rejects.toMatchObject({ kind: 'malformed' });
    });
  });
}
