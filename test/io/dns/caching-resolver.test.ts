import { describe, expect, test } from 'vitest';
import type { NameServer, ResolverOptions } from '../../../src/io/dns/index.ts';
import type { DnsReply } from '../../kit/dns-server.ts';
import { bench, serve, serverAt } from './resolver-bench.ts';

const a = (name: string, data: string, ttl = 300) => ({ name, type: 'A', ttl, data });
const cname = (name: string, data: string, ttl = 300) => ({ name, type: 'CNAME', ttl, data });
const soa = (minimum: number) => ({
  name: 'example',
  type: 'SOA',
  ttl: 3600,
  data: { mname: 'ns', rname: 'root', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
});

describe('answers', () => {
  test('A with its TTL, kept for as long', async () => {
    const server = await serve(() => ({
      answers: [a('mx.example', '192.0.2.1', 60), a('mx.example', '192.0.2.2', 30)],
    }));
    const { resolver, clock } = bench([serverAt(server.port)]);
    const first = await resolver.a('MX.example.');
    expect(first).toEqual({ records: ['192.0.2.1', '192.0.2.2'], secure: false, ttl: 30_000 });
    await clock.advance(29_000);
    expect((await resolver.a('mx.example')).ttl).toBe(1000);
    expect(server.queries).toHaveLength(1);
    await clock.advance(1000);
    await resolver.a('mx.example');
    expect(server.queries).toHaveLength(2);
  });

  test('TTL 0 is not kept, and limits of TTLs hold', async () => {
    const server = await serve(() => ({ answers: [a('mx.example', '192.0.2.1', 0)] }));
    const plain = bench([serverAt(server.port)]).resolver;
    await plain.a('mx.example');
    await plain.a('mx.example');
    expect(server.queries).toHaveLength(2);
    const { resolver } = bench([serverAt(server.port)], { positiveMinTtl: 5000 });
    expect((await resolver.a('mx.example')).ttl).toBe(5000);
    await resolver.a('mx.example');
    expect(server.queries).toHaveLength(3);
  });

  test('MX, AAAA, TXT, PTR and TLSA', async () => {
    const server = await serve(({ question: { name, type } }) => {
      const data: Record<string, unknown> = {
        MX: { preference: 10, exchange: 'MX.Example.' },
        AAAA: '2001:db8::1',
        TXT: [Buffer.from('v=spf1 '), Buffer.from('-all')],
        PTR: 'Host.Example',
        TLSA: { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.from('abcd', 'hex') },
      };
      return { answers: [{ name, type, ttl: 60, data: data[type] }] };
    });
    const { resolver } = bench([serverAt(server.port)]);
    expect((await resolver.mx('example')).records).toEqual([{ preference: 10, exchange: 'mx.example' }]);
    expect((await resolver.aaaa('example')).records).toEqual(['2001:db8::1']);
    expect((await resolver.txt('example')).records).toEqual(['v=spf1 -all']);
    expect((await resolver.ptr('192.0.2.1')).records).toEqual(['host.example']);
    expect((await resolver.ptr('2001:db8::1')).records).toEqual(['host.example']);
    expect((await resolver.tlsa('_25._tcp.mx.example')).records).toEqual([
      { usage: 3, selector: 1, matchingType: 1, data: Buffer.from('abcd', 'hex') },
    ]);
    const asked = server.queries.map(({ question }) => question.name);
    expect(asked[3]).toBe('1.2.0.192.in-addr.arpa');
    expect(asked[4]).toBe(`1.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa`);
  });

  test('null MX, and hosts that no host can be called', async () => {
    const mx = (exchange: string) => ({
      name: 'example',
      type: 'MX',
      ttl: 60,
      data: { preference: 0, exchange },
    });
    const server = await serve(() => ({ answers: [mx('.'), mx('bad host\r\n.example')] }));
    const { resolver } = bench([serverAt(server.port)]);
    expect((await resolver.mx('example')).records).toEqual([{ preference: 0, exchange: '' }]);
  });

  test('1,000 MX records come over TCP', async () => {
    const answers = Array.from({ length: 1000 }, (_, n) => ({
      name: 'many.example',
      type: 'MX',
      ttl: 60,
      data: { preference: n % 7, exchange: `mx${n}.many.example` },
    }));
    const server = await serve(({ transport }) => (transport === 'udp' ? { truncated: true } : { answers }));
    const { resolver } = bench([serverAt(server.port)]);
    expect((await resolver.mx('many.example')).records).toHaveLength(1000);
    expect(server.queries.map(({ transport }) => transport)).toEqual(['udp', 'tcp']);
  });

  test('the same question is asked once at a time', async () => {
    const server = await serve(() => ({ answers: [a('mx.example', '192.0.2.1')] }));
    const { resolver } = bench([serverAt(server.port)]);
    const answers = await Promise.all([
      resolver.a('mx.example'),
      resolver.a('MX.example'),
      resolver.a('mx.example'),
    ]);
    expect(answers.map(({ records }) => records[0])).toEqual(['192.0.2.1', '192.0.2.1', '192.0.2.1']);
    expect(server.queries).toHaveLength(1);
  });

  test('the cache is bounded', async () => {
    const server = await serve(({ question: { name } }) => ({ answers: [a(name, '192.0.2.1')] }));
    const { resolver } = bench([serverAt(server.port)], { cacheSize: 2 });
    for (const name of ['one', 'two', 'three', 'one']) await resolver.a(`${name}.example`);
    expect(server.queries).toHaveLength(4);
  });

  test('queries carry EDNS and ask for AD; a server that knows no EDNS is asked without', async () => {
    const server = await serve(({ packet }) =>
      packet.additionals.length > 0 ? { rcode: 'FORMERR' } : { answers: [a('mx.example', '192.0.2.1')] },
    );
    const { resolver } = bench([serverAt(server.port)]);
    expect((await resolver.a('mx.example')).records).toEqual(['192.0.2.1']);
    expect(server.queries[0]!.packet.additionals[0]).toMatchObject({ type: 'OPT', udpPayloadSize: 1232 });
    expect(server.queries[0]!.packet.flag_ad).toBe(true);
    expect(server.queries[1]!.packet.additionals).toEqual([]);
  });

  test('the AD bit counts from this machine, or with trust-ad', async () => {
    const server = await serve(() => ({ authentic: true, answers: [a('mx.example', '192.0.2.1')] }));
    const secure = async (
      changes: Partial<NameServer>,
      options: Partial<ResolverOptions> = {},
    ): Promise<boolean> =>
      (await bench([serverAt(server.port, changes)], options).resolver.a('mx.example')).secure;
    expect(await secure({})).toBe(true);
    expect(await secure({ loopback: false })).toBe(false);
    expect(await secure({ loopback: false }, { trustAd: true })).toBe(true);
    const canBe = (changes: Partial<NameServer>, options: Partial<ResolverOptions> = {}): boolean =>
      bench([serverAt(server.port, changes)], options).resolver.canBeSecure;
    expect(canBe({})).toBe(true);
    expect(canBe({ loopback: false })).toBe(false);
    expect(canBe({ loopback: false }, { trustAd: true })).toBe(true);
  });

  test('U-labels are asked as A-labels', async () => {
    const server = await serve(({ question: { name } }) => ({ answers: [a(name, '192.0.2.1')] }));
    const { resolver } = bench([serverAt(server.port)]);
    await resolver.a('bücher.example');
    expect(server.queries[0]!.question.name).toBe('xn--bcher-kva.example');
  });
});

describe('CNAMEs', () => {
  test('are followed within an answer; the smallest TTL counts; extras do not', async () => {
    const server = await serve(() => ({
      answers: [
        a('evil.example', '203.0.113.1'),
        a('c.example', '192.0.2.1', 300),
        cname('b.example', 'C.example', 20),
        cname('a.example', 'b.example', 100),
      ],
      additionals: [a('a.example', '203.0.113.2')],
    }));
    const { resolver } = bench([serverAt(server.port)]);
    expect(await resolver.a('a.example')).toEqual({
      records: ['192.0.2.1'],
      secure: false,
      ttl: 20_000,
      canonicalName: 'c.example',
    });
    // From the cache too.
    expect((await resolver.a('a.example')).canonicalName).toBe('c.example');
    await resolver.a('evil.example');
    expect(server.queries).toHaveLength(2);
  });

  test('are followed over several answers', async () => {
    const server = await serve(({ question: { name } }) => ({
      authentic: name === 'a.example',
      answers: [name === 'a.example' ? cname('a.example', 'b.example') : a('b.example', '192.0.2.1')],
    }));
    const { resolver } = bench([serverAt(server.port)]);
    expect(await resolver.a('a.example')).toMatchObject({ records: ['192.0.2.1'], secure: false });
  });

  test.each([
    ['in one answer', [cname('a.example', 'b.example'), cname('b.example', 'a.example')]],
    ['on itself', [cname('a.example', 'a.example')]],
  ])('loops end: %s', async (_, answers) => {
    const server = await serve(() => ({ answers }));
    const { resolver } = bench([serverAt(server.port)]);
    await expect(resolver.a('a.example')).rejects.toMatchObject({
      kind: 'servfail',
      message: expect.stringContaining('loop'),
    });
    expect(server.queries).toHaveLength(1);
  });

  test('loops end: over many answers', async () => {
    let n = 0;
    const server = await serve(({ question: { name } }) => ({
      answers: [cname(name, `next${n++}.example`)],
    }));
    const { resolver } = bench([serverAt(server.port)]);
    await expect(resolver.a('a.example')).rejects.toMatchObject({ kind: 'servfail' });
    expect(server.queries.length).toBeLessThanOrEqual(17);
  });
});

describe('failures', () => {
  test('NXDOMAIN is kept as long as the SOA says', async () => {
    const server = await serve(() => ({ rcode: 'NXDOMAIN', authorities: [soa(90)] }));
    const { resolver, clock } = bench([serverAt(server.port)]);
    await expect(resolver.a('gone.example')).rejects.toMatchObject({ kind: 'nxdomain' });
    await clock.advance(89_000);
    await expect(resolver.a('gone.example')).rejects.toMatchObject({
      kind: 'nxdomain',
      message: 'no such domain: gone.example',
    });
    expect(server.queries).toHaveLength(1);
    await clock.advance(1000);
    await expect(resolver.a('gone.example')).rejects.toMatchObject({ kind: 'nxdomain' });
    expect(server.queries).toHaveLength(2);
  });

  test('a name without such records is empty', async () => {
    const server = await serve(() => ({ authorities: [soa(60)] }));
    const { resolver } = bench([serverAt(server.port)]);
    expect(await resolver.mx('example')).toEqual({ records: [], secure: false, ttl: 60_000 });
    await resolver.mx('example');
    expect(server.queries).toHaveLength(1);
  });

  test('SERVFAIL goes to the next server', async () => {
    const [bad, good] = [
      await serve(() => ({ rcode: 'SERVFAIL' })),
      await serve(() => ({ answers: [a('mx.example', '192.0.2.1')] })),
    ];
    const { resolver } = bench([serverAt(bad.port), serverAt(good.port)]);
    expect((await resolver.a('mx.example')).records).toEqual(['192.0.2.1']);
    expect(bad.queries).toHaveLength(1);
  });

  test('SERVFAIL everywhere is kept for a moment', async () => {
    const server = await serve(() => ({ rcode: 'SERVFAIL' }));
    const { resolver, clock } = bench([serverAt(server.port)]);
    await expect(resolver.a('mx.example')).rejects.toMatchObject({ kind: 'servfail' });
    await expect(resolver.a('mx.example')).rejects.toMatchObject({ kind: 'servfail' });
    expect(server.queries).toHaveLength(2);
    await clock.advance(5000);
    server.script = () => ({ answers: [a('mx.example', '192.0.2.1')] });
    expect((await resolver.a('mx.example')).records).toEqual(['192.0.2.1']);
  });

  test('a silent server is given up after the timeout, and asked last from then on', async () => {
    const silent = await serve(() => undefined);
    const good = await serve(({ question: { name } }) => ({ answers: [a(name, '192.0.2.1')] }));
    const { resolver, clock } = bench([serverAt(silent.port), serverAt(good.port)]);
    const answer = resolver.a('one.example');
    await silent.asked(1);
    await clock.advance(5000);
    expect((await answer).records).toEqual(['192.0.2.1']);
    await resolver.a('two.example');
    expect(silent.queries).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  test('nobody answers: as many attempts as configured, then a timeout', async () => {
    const server = await serve(() => undefined);
    const { resolver, clock } = bench([serverAt(server.port)], { attempts: 3, timeout: 1000 });
    const answer = expect(resolver.mx('example')).rejects.toMatchObject({ kind: 'timeout' });
    for (let attempt = 1; attempt <= 3; attempt++) {
      await server.asked(attempt);
      await clock.advance(1000);
    }
    await answer;
    expect(server.queries).toHaveLength(3);
  });

  test('nobody listens', async () => {
    const server = await serve(() => undefined);
    const { port } = server;
    await server.stop();
    const { resolver } = bench([serverAt(port)]);
    await expect(resolver.a('mx.example')).rejects.toMatchObject({ kind: 'refused' });
    await expect(bench([]).resolver.a('mx.example')).rejects.toMatchObject({ kind: 'servfail' });
  });

  test.each([
    ['192.0.2.1', '127.0.0.1'],
    ['::1', '127.0.0.1'],
    ['255.255.255.255', undefined],
  ])(
    'a server that cannot be reached (%s from %s) is an error of the lookup',
    async (address, bindAddress) => {
      const { resolver } = bench([serverAt(9, { address, bindAddress })]);
      await expect(resolver.a('mx.example')).rejects.toMatchObject({ kind: 'refused' });
    },
  );

  test.each([
    ['a wrong id', { packet: { id: 0 } }],
    ['another name', { packet: { questions: [{ name: 'other.example', type: 'A', class: 'IN' }] } }],
    ['another type', { packet: { questions: [{ name: 'mx.example', type: 'MX', class: 'IN' }] } }],
    ['no question', { packet: { questions: [] } }],
    ['a query', { packet: { type: 'query' as const } }],
  ])('an answer with %s is ignored', async (_, forged: DnsReply) => {
    const wrong = { answers: [a('mx.example', '203.0.113.1')], ...forged };
    const server = await serve(({ packet }) => [
      forged.packet?.id === 0 ? { ...wrong, packet: { id: packet.id ^ 1 } } : wrong,
      { answers: [a('mx.example', '192.0.2.1')] },
    ]);
    const { resolver } = bench([serverAt(server.port)]);
    expect((await resolver.a('mx.example')).records).toEqual(['192.0.2.1']);
  });

  test('an answer from another port is ignored, and the address to ask from can be set', async () => {
    const server = await serve(() => [
      { elsewhere: true, answers: [a('mx.example', '203.0.113.1')] },
      { answers: [a('mx.example', '192.0.2.1')] },
    ]);
    const { resolver } = bench([serverAt(server.port, { bindAddress: '127.0.0.2' })]);
    expect((await resolver.a('mx.example')).records).toEqual(['192.0.2.1']);
  });

  test('rubbish after the right id is malformed', async () => {
    const server = await serve(() => ({
      raw: Buffer.concat([Buffer.from('81800001ffff0000', 'hex'), Buffer.alloc(40, 0xff)]),
    }));
    const { resolver } = bench([serverAt(server.port)]);
    await expect(resolver.a('mx.example')).rejects.toMatchObject({ kind: 'malformed' });
  });

  test('letter case must come back when it is mixed', async () => {
    const name = 'abcdefghijklmnopqrstuvwxyz.example';
    const server = await serve(({ question }) => [
      { packet: { questions: [{ ...question, name }] }, answers: [a(name, '203.0.113.1')] },
      { answers: [a(question.name, '192.0.2.1')] },
    ]);
    const { resolver } = bench([serverAt(server.port)], { caseRandomization: true });
    expect((await resolver.a(name)).records).toEqual(['192.0.2.1']);
    expect(server.queries[0]!.question.name).not.toBe(name);
  });

  test.each(['', 'a..b', `${'x'.repeat(64)}.example`, `${'abcdefg.'.repeat(32)}example`, 'a b'])(
    '%j is not asked',
    async (name) => {
      const server = await serve(() => undefined);
      const { resolver } = bench([serverAt(server.port)]);
      await expect(resolver.a(name)).rejects.toMatchObject({ kind: 'malformed' });
      expect(server.queries).toHaveLength(0);
    },
  );
});
