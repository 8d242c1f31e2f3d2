import { describe, expect, test } from 'vitest';
import { TestResolver } from '../../../src/io/dns/index.ts';
import { DnsError, type MtaStsPolicies, type Resolver } from '../../../src/model/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { mailRooms, pathConfig, queueConfig } from '../../kit/mail-rooms.ts';

const seconds = (count: number): number => count * 1000;
const minutes = (count: number): number => seconds(60) * count;

const ZONE = `
$ORIGIN dest.example.
@     1 MX 10 mx1
mx1   1 A 192.0.2.1
null  1 MX 0 .
loop  CNAME pool
pool  CNAME loop
mxloop 1 MX 10 loop
home  1 MX 10 local
local 1 A 127.0.0.1
home6 1 MX 10 local6
local6 1 AAAA ::1
mapped 1 MX 10 local4in6
local4in6 1 AAAA ::ffff:127.0.0.1
name  1 MX 10 localhost.
localhost. 1 A 127.0.0.1
other 1 MX 10 mx1
`;

type Fault = 'none' | 'servfail' | 'silence' | 'addresses';

const broken = (name: string): Promise<never> =>
  Promise.reject(new DnsError('servfail', `looking up ${name}: SERVFAIL`));

/** A resolver whose network fails when it is told to; records live for a second. */
function faulty(clock: FakeClock) {
  const zone = new TestResolver([ZONE]);
  const state = { fault: 'none' as Fault, asked: 0 };
  const asking =
    <T>(ask: (name: string) => Promise<T>) =>
    async (name: string): Promise<T> => {
      state.asked++;
      if (state.fault === 'silence') {
        await new Promise<void>((resolve) => clock.after(seconds(10), resolve));
        throw new DnsError('timeout', `looking up ${name}: no answer`);
      }
      if (state.fault === 'servfail') return broken(name);
      return ask(name);
    };
  const resolver: Resolver = {
    mx: asking((name) => zone.mx(name)),
    a: asking((name) => (state.fault === 'addresses' ? broken(name) : zone.a(name))),
    aaaa: asking((name) => (state.fault === 'addresses' ? broken(name) : zone.aaaa(name))),
    txt: asking((name) => zone.txt(name)),
    ptr: asking((name) => zone.ptr(name)),
    tlsa: asking((name) => zone.tlsa(name)),
    cname: asking((name) => zone.cname(name)),
    canBeSecure: true,
  };
  return { resolver, state };
}

function bench(mtaSts?: MtaStsPolicies) {
  const clock = new FakeClock();
  const { resolver, state } = faulty(clock);
  const handlers = {
    get_queue_config: () => queueConfig({ retry_interval: '1m' }),
    get_egress_path_config: () => pathConfig({ connection_limit: 2 }),
  };
  const rooms = mailRooms(handlers, undefined, clock, {}, { resolver, ...(mtaSts && { mtaSts }) });
  const types = () => rooms.events.map(({ type }) => type);
  return { rooms, state, clock, types };
}

describe('DNS that fails for 10 minutes', () => {
  test.each(['servfail', 'silence'] as const)(
    '%s bounces nothing, and mail goes out after it',
    async (fault) => {
      const { rooms, state, clock, types } = bench();
      state.fault = fault;
      await Promise.all([rooms.receive(['a@dest.example']), rooms.receive(['b@other.dest.example'])]);
      await clock.advance(minutes(10));
      expect(new Set(types())).toEqual(new Set(['Reception', 'TransientFailure']));
      expect(rooms.spool.content.size).toBe(2);
      expect(rooms.events.at(-1)!.response).toMatchObject({ code: 451 });
      state.fault = 'none';
      await clock.advance(minutes(30));
      expect(types().filter((type) => type === 'Delivery')).toHaveLength(2);
      expect(rooms.spool.content.size).toBe(0);
    },
  );

  test('when only addresses cannot be had, the attempts fail for now', async () => {
    const { rooms, state, clock, types } = bench();
    state.fault = 'addresses';
    await rooms.receive(['a@dest.example']);
    await clock.advance(minutes(10));
    expect(new Set(types())).toEqual(new Set(['Reception', 'TransientFailure']));
    expect(rooms.events.at(-1)!.response.content).toBe("MX didn't resolve to any hosts");
    state.fault = 'none';
    await clock.advance(minutes(30));
    expect(types().filter((type) => type === 'Delivery')).toHaveLength(1);
  });
});

describe('what DNS says of a domain', () => {
  const attempt = async (domain: string) => {
    const { rooms, clock } = bench();
    await rooms.receive([`a@${domain}`]);
    await clock.advance(seconds(30));
    const { type, response } = rooms.events[1]!;
    return `${type} ${response.code} ${response.content}`;
  };

  test.each([
    ['absent.example', /^TransientFailure 451 failed to resolve queue .*: no such domain: absent\.example$/],
    ['loop.dest.example', /^TransientFailure 451 failed to resolve queue .*loop of CNAMEs$/],
    ['mxloop.dest.example', /^TransientFailure 451 MX didn't resolve to any hosts$/],
    ['null.dest.example', /^Bounce 556 Recipient address has a null MX$/],
    [
      'home.dest.example',
      /^Bounce 550 local\.dest\.example 127\.0\.0\.1 is on the list of prohibited_hosts$/,
    ],
    ['home6.dest.example', /^Bounce 550 .* ::1 is on the list of prohibited_hosts$/],
    ['mapped.dest.example', /^Bounce 550 .* is on the list of prohibited_hosts$/],
    ['name.dest.example', /^Bounce 550 localhost 127\.0\.0\.1 is on the list of prohibited_hosts$/],
  ])('%s', async (domain, expected) => {
    expect(await attempt(domain)).toMatch(expected);
  });
});

test('1,000 MX where nobody answers cost 100 attempts and one record', async () => {
  const clock = new FakeClock();
  const zone = Array.from(
    { length: 1000 },
    (_, n) => `@ MX ${n % 10} m${n}\nm${n} A 198.51.${n >> 8}.${n & 255}`,
  );
  const resolver = new TestResolver([`$ORIGIN many.example.\n${zone.join('\n')}\n`]);
  const rooms = mailRooms({}, undefined, clock, {}, { resolver });
  let dialled = 0;
  const deadAll = { has: () => ++dialled > 0, add: () => deadAll } as unknown as Set<string>;
  rooms.peers.dead = deadAll;
  await rooms.receive(['a@many.example']);
  await clock.advance(seconds(60));
  expect(rooms.records().filter((record) => !record.startsWith('Reception'))).toEqual([
    'TransientFailure 400',
  ]);
  expect(dialled).toBe(100);
});

describe('domains with the same hosts', () => {
  const enforced: MtaStsPolicies = {
    find: async (domain) => ({
      policy:
        domain === 'dest.example' ? { mode: 'enforce', mx: ['mx1.dest.example'], maxAge: 86_400 } : undefined,
      ttl: 86_400_000,
    }),
  };

  test('do not share a connection when MTA-STS asks more for one: its mail waits, that of the other goes', async () => {
    const { rooms, clock } = bench(enforced);
    await Promise.all([
      rooms.receive(['a@dest.example']),
      rooms.receive(['b@other.dest.example']),
      rooms.receive(['c@dest.example']),
      rooms.receive(['d@other.dest.example']),
    ]);
    await clock.advance(seconds(30));
    const delivered = rooms.events.filter(({ type }) => type === 'Delivery');
    expect(delivered).toHaveLength(2);
    expect(rooms.peers.commands.filter((command) => /^RCPT TO:<[ac]@/.test(command))).toEqual([]);
    const failed = rooms.events.filter(({ type }) => type === 'TransientFailure');
    expect(failed.length).toBeGreaterThan(0);
    expect(failed[0]!.response.content).toContain('STARTTLS');
    // Both are one site to whoever reads the log.
    const sites = new Set(rooms.events.map(({ site }) => site).filter(Boolean));
    expect([...sites]).toEqual(['unspecified->mx1.dest.example@smtp_client']);
    expect(rooms.spool.content.size).toBe(2);
  });
});

test('a policy that allows no MX keeps mail, and says so', async () => {
  const { rooms, clock } = bench({
    find: async () => ({
      policy: { mode: 'enforce', mx: ['elsewhere.example'], maxAge: 86_400 },
      ttl: 86_400_000,
    }),
  });
  await rooms.receive(['a@dest.example']);
  await clock.advance(seconds(5));
  expect(rooms.events[1]).toMatchObject({
    type: 'TransientFailure',
    response: {
      code: 451,
      content: expect.stringMatching(/: the MTA-STS policy of dest\.example allows none of its MX$/),
    },
  });
  expect(rooms.peers.commands).toEqual([]);
});
