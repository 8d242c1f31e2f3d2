import { encode } from 'dns-packet';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { answerTo, type Query } from '../../src/io/dns/exchange.ts';
import { readResponse } from '../../src/io/dns/response.ts';
import { DnsError } from '../../src/model/index.ts';

const query: Query = { id: 7, name: 'mx.example', type: 'A', exactCase: false, bytes: Buffer.alloc(0) };

const sound = encode({
  id: 7,
  type: 'response',
  flags: 0,
  questions: [{ name: 'mx.example', type: 'A', class: 'IN' }],
  answers: [
    { name: 'mx.example', type: 'CNAME', ttl: 5, data: 'b.example' },
    { name: 'b.example', type: 'A', ttl: 5, data: '192.0.2.1' },
    { name: 'b.example', type: 'TXT', ttl: 5, data: [Buffer.from('text')] },
  ],
  authorities: [],
  additionals: [{ name: '.', type: 'OPT', udpPayloadSize: 1232 }],
});

/** Whatever arrives is an answer, somebody else's, or malformed; nothing else is thrown. */
function read(bytes: Buffer): void {
  try {
    const packet = answerTo(query, bytes);
    if (packet !== undefined && !packet.flag_tc)
      expect(readResponse(packet, query.name, query.type)).toHaveProperty('kind');
  } catch (error) {
    expect(error).toBeInstanceOf(DnsError);
  }
}

test('a sound answer is read', () => {
  expect(readResponse(answerTo(query, sound)!, 'mx.example', 'A')).toEqual({
    kind: 'records',
    records: ['192.0.2.1'],
    owner: 'b.example',
    ttl: 5,
  });
});

test('damaged answers never throw anything but DnsError', () => {
  const damage = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(damage, fc.nat(sound.length), (changes, length) => {
      const bytes = Buffer.from(sound);
      for (const [at, value] of changes) if (at >= 2) bytes[at] = value;
      read(bytes.subarray(0, length));
      read(bytes);
    }),
    { numRuns: 1000 },
  );
});

test('any bytes after the id never throw anything but DnsError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) =>
      read(Buffer.concat([Buffer.from([0, 7]), bytes])),
    ),
    { numRuns: 500 },
  );
});
