import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatProxyHeader, parseProxyHeader } from '../../../src/protocol/proxy/index.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const v2 = (hex: string): Buffer => Buffer.from(SIGNATURE + hex, 'hex');
const line = (text: string) => parseProxyHeader(Buffer.from(text, 'latin1'));
const between = (source: string, port: number, destination: string, destinationPort: number) => ({
  source: { address: source, port },
  destination: { address: destination, port: destinationPort },
});

describe('version 1', () => {
  test.each([
    ['PROXY TCP4 192.0.2.1 198.51.100.1 4711 25', between('192.0.2.1', 4711, '198.51.100.1', 25)],
    ['PROXY TCP6 2001:db8::1 ::1 65535 0', between('2001:db8::1', 65_535, '::1', 0)],
    ['PROXY UNKNOWN', undefined],
    ['PROXY UNKNOWN ffff::1 ffff::2 1 2', undefined],
  ])('%s', (text, addresses) => {
    expect(line(`${text}\r\nEHLO x\r\n`)).toEqual({ kind: 'header', length: text.length + 2, addresses });
  });

  test.each([
    'EHLO client.example',
    'PROXY',
    'PROXY TCP4 192.0.2.1 198.51.100.1 4711',
    'PROXY TCP4 192.0.2.1 198.51.100.1 4711 65536',
    'PROXY TCP4 192.0.2.01 198.51.100.1 1 2',
    'PROXY TCP4 ::1 ::1 1 2',
    'PROXY TCP6 192.0.2.1 192.0.2.2 1 2',
    'PROXY TCP4  192.0.2.1 198.51.100.1 1 2',
    'PROXY TCP4 192.0.2.1 198.51.100.1 1 2 ',
    'PROXY UNKNOWNX',
    'proxy TCP4 192.0.2.1 198.51.100.1 1 2',
    `PROXY UNKNOWN ${'x'.repeat(200)}`,
  ])('is not: %s', (text) => expect(line(`${text}\r\n`)).toEqual({ kind: 'invalid' }));
});

describe('version 2', () => {
  test('IPv4, IPv6, TLVs and LOCAL', () => {
    expect(parseProxyHeader(v2('2111000cc0000201c63364011267001945'))).toEqual({
      kind: 'header',
      length: 28,
      addresses: between('192.0.2.1', 4711, '198.51.100.1', 25),
    });
    const source = '20010db8000000000000000000000001';
    const zero = '0'.repeat(32);
    expect(parseProxyHeader(v2(`21210028${source}${zero}00010002deadbeef`))).toEqual({
      kind: 'header',
      length: 56,
      addresses: between('2001:db8::1', 1, '::', 2),
    });
    expect(parseProxyHeader(v2('20000000'))).toMatchObject({ length: 16, addresses: undefined });
    expect(parseProxyHeader(v2('210000020000'))).toMatchObject({ length: 18, addresses: undefined });
  });

  test.each([
    ['version 1 in binary', '11110000'],
    ['an unknown command', '22110000'],
    ['addresses that are too short', '2111000bc0000201c633640112670019'],
    ['UDP', '2112000cc0000201c633640112670019'],
    ['an unknown family', '2141000cc0000201c633640112670019'],
    ['a length of 65535', '2111ffff'],
  ])('is not: %s', (_name, hex) => expect(parseProxyHeader(v2(hex))).toEqual({ kind: 'invalid' }));
});

test('any start of a header is incomplete, never wrong', () => {
  for (const whole of [
    Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.1 4711 25\r\n'),
    v2('2111000cc0000201c633640112670019'),
  ]) {
    for (let length = 0; length < whole.length; length++) {
      expect(parseProxyHeader(whole.subarray(0, length))).toEqual({ kind: 'incomplete' });
    }
    expect(parseProxyHeader(whole)).toMatchObject({ kind: 'header', length: whole.length });
  }
});

test('any octets: never an exception, never more than there is, never without end', () => {
  const starts = fc.constantFrom(Buffer.alloc(0), Buffer.from('PROXY '), Buffer.from(SIGNATURE, 'hex'));
  fc.assert(
    fc.property(starts, fc.uint8Array({ maxLength: 300 }), (start, rest) => {
      const octets = Buffer.concat([start, rest]);
      const parsed = parseProxyHeader(octets);
      if (parsed.kind === 'header') expect(parsed.length).toBeLessThanOrEqual(octets.length);
    }),
  );
  expect(parseProxyHeader(Buffer.concat([Buffer.from('PROXY '), Buffer.alloc(5000, 0x41)])).kind).toBe(
    'invalid',
  );
});

describe('what is written is read again', () => {
  test.each([1, 2] as const)('version %i', (version) => {
    for (const addresses of [
      between('192.0.2.1', 0, '198.51.100.1', 25),
      between('2001:db8::1', 4711, '::1', 65_535),
    ]) {
      const octets = formatProxyHeader(addresses, version);
      expect(parseProxyHeader(octets)).toEqual({ kind: 'header', length: octets.length, addresses });
    }
  });

  test('as other readers want it', () => {
    const addresses = between('192.0.2.1', 4711, '198.51.100.1', 25);
    expect(String(formatProxyHeader(addresses, 1))).toBe('PROXY TCP4 192.0.2.1 198.51.100.1 4711 25\r\n');
    expect(formatProxyHeader(addresses, 2)).toEqual(v2('2111000cc0000201c633640112670019'));
  });

  test('addresses of two families have no header', () => {
    expect(() => formatProxyHeader(between('192.0.2.1', 1, '::1', 2), 2)).toThrow('one family');
  });
});
