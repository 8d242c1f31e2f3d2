import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Socks5Client, type Socks5Step } from '../../../src/protocol/proxy/index.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const request = { source: '192.0.2.7', destination: { address: '198.51.100.1', port: 25 } };
const credentials = { username: 'mail', password: 'geheim' };
const BIND = hex('05 02 00 01 c0000207 0000');
const CONNECT = hex('05 01 00 01 c6336401 0019');

/** Where the client is after these answers of the proxy. */
function answeredWith(
  answers: string[],
  given: ConstructorParameters<typeof Socks5Client>[0] = request,
): Socks5Step {
  const client = new Socks5Client(given);
  return answers.map((answer) => client.take(hex(answer))).at(-1)!;
}

describe('BIND, then CONNECT', () => {
  test('without authentication', () => {
    const client = new Socks5Client(request);
    expect(client.greeting()).toEqual(hex('05 01 00'));
    expect(client.take(hex('05 00'))).toEqual({ kind: 'send', octets: BIND });
    expect(client.phase).toBe('bind');
    expect(client.take(hex('05 00 00 01 c0000207 1267'))).toEqual({ kind: 'send', octets: CONNECT });
    expect(client.take(hex('05 00 00 01 c0000207 1268 323230'))).toEqual({
      kind: 'connected',
      source: { address: '192.0.2.7', port: 0x1268 },
      rest: Buffer.from('220'),
    });
    expect(client.phase).toBe('over');
    expect(() => client.take(hex('00'))).toThrow('over');
  });

  test('with username and password, when the proxy wants them', () => {
    const client = new Socks5Client({ ...request, credentials });
    expect(client.greeting()).toEqual(hex('05 02 00 02'));
    const octets = Buffer.concat([hex('01 04'), Buffer.from('mail'), hex('06'), Buffer.from('geheim')]);
    expect(client.take(hex('05 02'))).toEqual({ kind: 'send', octets });
    expect(client.take(hex('01 00'))).toEqual({ kind: 'send', octets: BIND });
    expect(answeredWith(['05 00'], { ...request, credentials })).toEqual({ kind: 'send', octets: BIND });
  });

  test('IPv6', () => {
    const given = { source: '2001:db8::7', destination: { address: '2001:db8::1', port: 2525 } };
    expect(answeredWith(['05 00'], given)).toEqual({
      kind: 'send',
      octets: hex('05 02 00 04 20010db8000000000000000000000007 0000'),
    });
    const bound = '05 00 00 04 20010db8000000000000000000000007 1267';
    expect(answeredWith(['05 00', bound], given)).toEqual({
      kind: 'send',
      octets: hex('05 01 00 04 20010db8000000000000000000000001 09dd'),
    });
    expect(answeredWith(['05 00', bound, '05 00 00 01 00000000 0000'], given)).toMatchObject({
      kind: 'connected',
      source: { address: '2001:db8::7', port: 0x1267 },
    });
  });

  test.each([
    ['zeros', '01 00000000 0000'],
    ['another address', '01 c0000209 1267'],
    ['a name', `03 ff ${'61'.repeat(255)} 1267`],
  ])('the proxy gives %s for what it is bound to', (_, bound) => {
    expect(answeredWith(['05 00', `05 00 00 ${bound}`, `05 00 00 ${bound}`])).toEqual({
      kind: 'connected',
      source: { address: '192.0.2.7', port: 0 },
      rest: Buffer.alloc(0),
    });
  });
});

describe('failures', () => {
  const bound = '05 00 00 01 c0000207 1267';
  test.each<[string, string[], object]>([
    ['SOCKS4', ['04 00'], { phase: 'method', text: 'the answer is not SOCKS5' }],
    ['garbage', ['48545450 2f312e31'], { phase: 'method', text: 'the answer is not SOCKS5' }],
    ['no method', ['05 ff'], { phase: 'method', text: 'none of our authentication methods is acceptable' }],
    [
      'a method that was not offered',
      ['05 02'],
      { phase: 'method', text: 'the proxy chose authentication method 2, which was not offered' },
    ],
    ['more than asked', ['05 00 05'], { phase: 'method', text: 'the proxy sent more than its answer' }],
    ['BIND refused', ['05 00', '05 01'], { phase: 'bind', code: 1, text: 'general SOCKS server failure' }],
    ['an unknown code', ['05 00', '05 63'], { phase: 'bind', code: 99, text: 'reply code 99' }],
    [
      'an unknown type of address',
      ['05 00', '05 00 00 02 00'],
      { phase: 'bind', text: 'the answer has an address of unknown type 2' },
    ],
    [
      'both replies at once',
      ['05 00', bound + bound],
      { phase: 'bind', text: 'the proxy sent more than its answer' },
    ],
    ['CONNECT refused', ['05 00', bound, '05 05'], { phase: 'connect', code: 5, text: 'connection refused' }],
  ])('%s', (_, answers, expected) => {
    expect(answeredWith(answers)).toEqual({ kind: 'failed', ...expected });
  });

  test('credentials that are refused, or do not fit', () => {
    expect(answeredWith(['05 02', '01 01'], { ...request, credentials })).toEqual({
      kind: 'failed',
      phase: 'auth',
      text: 'username and password were refused',
    });
    for (const username of ['', 'x'.repeat(256)]) {
      expect(() => new Socks5Client({ ...request, credentials: { ...credentials, username } })).toThrow(
        'the username for the proxy is not 1 to 255 octets',
      );
    }
  });
});

test('octet by octet it goes as all at once, and at most one reply is kept', () => {
  const client = new Socks5Client(request);
  const steps: Socks5Step['kind'][] = [];
  for (const octet of hex(`0500 050000 03 ff ${'61'.repeat(255)} 1267 050000 01 c0000207 1268`)) {
    const { kind } = client.take(Buffer.from([octet]));
    if (kind !== 'incomplete') steps.push(kind);
  }
  expect(steps).toEqual(['send', 'send', 'connected']);
});

test('whatever a proxy sends, it comes to an end within 262 octets of each answer', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 8 }), (chunks) => {
      const client = new Socks5Client({ ...request, credentials });
      let unanswered = 0;
      for (const chunk of chunks) {
        const step = client.take(Buffer.from(chunk));
        if (step.kind === 'connected' || step.kind === 'failed') return;
        unanswered = step.kind === 'send' ? 0 : unanswered + chunk.length;
        expect(unanswered).toBeLessThan(262);
      }
    }),
  );
});
