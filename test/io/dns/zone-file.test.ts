import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseZone, TestResolver, ZoneError } from '../../../src/io/dns/index.ts';

describe('parseZone', () => {
  test('origin, TTL, omitted owners, parentheses, comments, quotes', () => {
    const records = parseZone(`
$ORIGIN Example.COM.
$TTL 1h
@   IN SOA ns admin ( 1 ; serial
      2h 3600 1w
      5m )
    IN NS ns.example.net.
ns  300 IN A 192.0.2.1
    IN 400 AAAA 2001:DB8::1
txt TXT "a; b" c "q\\"uote"
ignored HINFO x y
`);
    expect(records.map(({ owner, type, ttl }) => `${owner} ${ttl} ${type}`)).toEqual([
      'example.com 3600 SOA',
      'example.com 3600 NS',
      'ns.example.com 300 A',
      'ns.example.com 400 AAAA',
      'txt.example.com 3600 TXT',
    ]);
    expect(records[0]!.rdata).toMatchObject({
      mname: 'ns.example.com',
      refresh: 7200,
      expire: 604_800,
      minimum: 300,
    });
    expect(records[1]!.rdata).toBe('ns.example.net');
    expect(records[3]!.rdata).toBe('2001:db8::1');
    expect((records[4]!.rdata as Buffer[]).map(String)).toEqual(['a; b', 'c', 'q"uote']);
  });

  test.each([
    ['a.example. A 300.1.2.3', 'line 1'],
    ['a.example. MX mx', 'line 1'],
    ['\na.example.', 'line 2'],
    ['$INCLUDE other', 'not supported'],
    ['a.example. TXT (', 'parenthesis'],
  ])('%j is refused', (zone, message) => {
    expect(() => parseZone(zone)).toThrow(ZoneError);
    expect(() => parseZone(zone)).toThrow(message);
  });

  test('any text gives records or a ZoneError', () => {
    const word = fc.constantFrom(
      '@',
      'IN',
      'A',
      'MX',
      'TXT',
      'SOA',
      '10',
      '1h',
      '192.0.2.1',
      'x',
      '"',
      '(',
      ')',
      ';',
      '\n',
      ' ',
      '$TTL',
      '$ORIGIN',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(word, { maxLength: 30 }).map((words) => words.join(' ')),
    );
    fc.assert(
      fc.property(text, (zone) => {
        try {
          expect(Array.isArray(parseZone(zone))).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(ZoneError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test('TestResolver: secure zones, failing names', async () => {
  const resolver = new TestResolver(
    [{ zone: 'a.example. A 192.0.2.1', secure: true }, 'b.example. CNAME a.example.'],
    ['c.example'],
  );
  expect((await resolver.a('a.example')).secure).toBe(true);
  expect((await resolver.a('b.example')).secure).toBe(false);
  await expect(resolver.a('c.example')).rejects.toMatchObject({ kind: 'servfail' });
});
