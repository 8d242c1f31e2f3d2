import { expect, test } from 'vitest';
import { CachedMtaSts, FETCH_TIMEOUT } from '../../../src/io/mta-sts/index.ts';
import { DnsError } from '../../../src/model/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const DAY = 86_400_000;
const policy = (mx: string, maxAge = 864_000, mode = 'enforce'): string =>
  `version: STSv1\nmode: ${mode}\nmx: ${mx}\nmax_age: ${maxAge}\n`;

interface Domain {
  /** Of the record in DNS; undefined: there is none. */
  id?: string | undefined;
  dns?: 'servfail' | 'silent';
  /** The text that is served, why there is none, or when it comes. */
  web?: string | Error | Promise<string>;
}

function bench(domains: Record<string, Domain>) {
  const clock = new FakeClock();
  const said: string[] = [];
  const fetched: string[] = [];
  let failures = 0;
  const cache = new CachedMtaSts({
    clock,
    resolver: {
      txt: async (name) => {
        const domain = domains[name.replace('_mta-sts.', '')] ?? {};
        if (domain.dns === 'silent') await new Promise(() => {});
        if (domain.dns === 'servfail') throw new DnsError('servfail', `looking up TXT of ${name}: SERVFAIL`);
        if (domain.id === undefined) throw new DnsError('nxdomain', 'no such domain');
        return { records: [`v=STSv1; id=${domain.id};`], secure: false, ttl: 60_000 };
      },
    },
    fetch: async (name) => {
      fetched.push(name);
      const { web = new Error('it answered 404') } = domains[name]!;
      if (web instanceof Error) throw web;
      return web;
    },
    diagnostics: { info: (_, text) => void said.push(text), warn: (_, text) => void said.push(text) },
    onFailure: () => failures++,
  });
  const mxOf = async (name = 'a.example') => (await cache.find(name)).policy?.mx[0];
  return { clock, said, fetched, cache, domains, mxOf, failures: () => failures };
}

test('a policy is fetched once and holds for max_age', async () => {
  const { cache, clock, fetched } = bench({ 'a.example': { id: '1', web: policy('mx.a', 600) } });
  const first = await cache.find('a.example');
  expect(first).toEqual({ policy: { mode: 'enforce', mx: ['mx.a'], maxAge: 600 }, ttl: 600_000 });
  await clock.advance(100_000);
  expect((await cache.find('a.example')).ttl).toBe(500_000);
  expect(fetched).toEqual(['a.example']);
});

test('a domain without a record has none, and nothing is fetched', async () => {
  const { cache, fetched, said } = bench({});
  expect(await cache.find('a.example')).toEqual({ policy: undefined, ttl: Number.POSITIVE_INFINITY });
  expect(fetched).toEqual([]);
  expect(said).toEqual([]);
});

test('a new id fetches the next policy', async () => {
  const { domains, mxOf, fetched } = bench({ 'a.example': { id: '1', web: policy('one.a') } });
  expect(await mxOf()).toBe('one.a');
  domains['a.example'] = { id: '1', web: policy('two.a') };
  expect(await mxOf()).toBe('one.a');
  domains['a.example'].id = '2';
  expect(await mxOf()).toBe('two.a');
  expect(fetched).toHaveLength(2);
});

test('all who ask at one time share one fetch', async () => {
  const { mxOf, fetched, domains } = bench({ 'a.example': { id: '1' } });
  let serve = (_: string): void => {};
  domains['a.example']!.web = new Promise((resolve) => {
    serve = resolve;
  });
  const asked = Array.from({ length: 50 }, () => mxOf());
  await Promise.resolve();
  serve(policy('mx.a'));
  expect(new Set(await Promise.all(asked))).toEqual(new Set(['mx.a']));
  expect(fetched).toHaveLength(1);
});

test('a failed fetch counts as no policy and is tried again after 300 s', async () => {
  const { cache, clock, domains, fetched, said, mxOf, failures } = bench({ 'a.example': { id: '1' } });
  expect(await cache.find('a.example')).toEqual({ policy: undefined, ttl: 300_000 });
  await clock.advance(299_999);
  expect(await cache.find('a.example')).toEqual({ policy: undefined, ttl: 1 });
  expect(fetched).toHaveLength(1);
  await clock.advance(1);
  expect((await cache.find('a.example')).ttl).toBe(300_000);
  expect(fetched).toHaveLength(2);
  expect(said).toEqual(['the policy of a.example cannot be had: it answered 404; mail goes as without one']);
  expect(failures()).toBe(2);
  domains['a.example']!.web = policy('mx.a');
  await clock.advance(300_000);
  expect(await mxOf()).toBe('mx.a');
  expect(said[1]).toBe('the policy of a.example can be had again');
});

test.each([
  ['the record is gone', { id: undefined }],
  ['DNS fails', { dns: 'servfail' as const }],
  ['the next policy cannot be fetched', { id: '2', web: new Error('it answered 500') }],
  ['the next policy makes no sense', { id: '2', web: '<html>' }],
])('a policy holds on while %s, up to max_age', async (_, change) => {
  const { cache, clock, domains, mxOf } = bench({ 'a.example': { id: '1', web: policy('mx.a', 86_400) } });
  await mxOf();
  domains['a.example'] = { ...domains['a.example'], ...change };
  for (let spent = 0; spent < DAY; spent += DAY / 8) {
    expect(await mxOf()).toBe('mx.a');
    expect((await cache.find('a.example')).ttl).toBeLessThanOrEqual(DAY - spent);
    await clock.advance(DAY / 8);
  }
  expect(await mxOf()).toBeUndefined();
});

test('is fetched anew when half of its time is over, and nobody waits for that', async () => {
  const { clock, domains, mxOf, fetched } = bench({ 'a.example': { id: '1', web: policy('one.a', 1000) } });
  await mxOf();
  await clock.advance(499_000);
  await mxOf();
  expect(fetched).toHaveLength(1);
  let serve = (_: string): void => {};
  domains['a.example']!.web = new Promise((resolve) => {
    serve = resolve;
  });
  await clock.advance(2000);
  expect(await mxOf()).toBe('one.a');
  expect(await mxOf()).toBe('one.a');
  expect(fetched).toHaveLength(2);
  serve(policy('two.a', 1000));
  await clock.advance(0);
  expect(await mxOf()).toBe('two.a');
});

test('mode none ends what was enforced', async () => {
  const { cache, domains } = bench({ 'a.example': { id: '1', web: policy('mx.a') } });
  await cache.find('a.example');
  domains['a.example'] = { id: '2', web: 'version: STSv1\nmode: none\nmax_age: 60' };
  expect((await cache.find('a.example')).policy?.mode).toBe('none');
});

test('mail waits for FETCH_TIMEOUT at most, be it for DNS or for the fetch', async () => {
  const never = new Promise<string>(() => {});
  const { cache, clock } = bench({
    'slow.example': { id: '1', web: never },
    'silent.example': { dns: 'silent' },
  });
  const asked = [cache.find('slow.example'), cache.find('silent.example')];
  const done: unknown[] = [];
  for (const one of asked) void one.then((finding) => done.push(finding));
  await clock.advance(FETCH_TIMEOUT - 1);
  expect(done).toEqual([]);
  await clock.advance(1);
  const none = { policy: undefined, ttl: 300_000 };
  expect(done).toEqual([none, none]);
  expect(clock.pending).toBe(0);
});

test('DNS that failed lately is not asked again at once', async () => {
  const { cache, clock, domains } = bench({ 'a.example': { dns: 'servfail' } });
  await cache.find('a.example');
  domains['a.example'] = { dns: 'silent' };
  expect(await cache.find('a.example')).toEqual({ policy: undefined, ttl: 300_000 });
  domains['a.example'] = { id: '1', web: policy('mx.a') };
  await clock.advance(300_000);
  expect((await cache.find('a.example')).policy?.mx).toEqual(['mx.a']);
});

test('max_age 0 does not make a fetch of every message', async () => {
  const { clock, mxOf, fetched } = bench({ 'a.example': { id: '1', web: policy('mx.a', 0) } });
  for (let n = 0; n < 10; n++) expect(await mxOf()).toBe('mx.a');
  expect(fetched).toHaveLength(1);
  await clock.advance(60_000);
  await mxOf();
  expect(fetched).toHaveLength(2);
});

test('when all of DNS fails, 20 domains a minute are named', async () => {
  const domains = Array.from({ length: 200 }, (_, n) => [`d${n}.example`, { dns: 'servfail' }] as const);
  const { cache, clock, said } = bench(Object.fromEntries(domains));
  for (const [name] of domains) await cache.find(name);
  expect(said).toHaveLength(20);
  await clock.advance(60_000);
  await cache.find('d199.example');
  expect(said).toHaveLength(20);
  await clock.advance(240_000);
  // The same failure of the same domain is old news.
  await cache.find('d0.example');
  expect(said).toHaveLength(20);
});
