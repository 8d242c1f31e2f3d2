import { describe, expect, test } from 'vitest';
import {
  CachedMtaSts,
  FETCH_TIMEOUT,
  type KeptPolicy,
  type PolicyStore,
} from '../../../src/io/mta-sts/index.ts';
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

function bench(domains: Record<string, Domain>, store?: PolicyStore, clock = new FakeClock()) {
  const said: string[] = [];
  const fetched: string[] = [];
  let failures = 0;
  const cache = new CachedMtaSts({
    clock,
    store,
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

describe('what outlives the process', () => {
  function memory() {
    const saved: KeptPolicy[][] = [];
    const store: PolicyStore = {
      load: async () => saved.at(-1) ?? [],
      save: async (policies) => void saved.push([...policies]),
    };
    return { store, saved };
  }

  test('a policy holds on after a restart at which DNS and the web server fail, up to max_age', async () => {
    const { store } = memory();
    const before = bench({ 'a.example': { id: '1', web: policy('mx.a', 86_400) } }, store);
    await before.mxOf();
    await before.cache.close();
    const { clock } = before;
    await clock.advance(DAY / 2);
    const { mxOf, fetched, domains } = bench({ 'a.example': { dns: 'servfail' } }, store, clock);
    expect(await mxOf()).toBe('mx.a');
    domains['a.example'] = { id: undefined };
    await clock.advance(DAY / 2 - 1);
    expect(await mxOf()).toBe('mx.a');
    await clock.advance(1);
    expect(await mxOf()).toBeUndefined();
    expect(fetched).toEqual([]);
  });

  test('while its id is the same it is not fetched again before half of its time is over', async () => {
    const { store } = memory();
    const domains = { 'a.example': { id: '1', web: policy('mx.a', 1000) } };
    const before = bench(domains, store);
    await before.mxOf();
    await before.clock.advance(400_000);
    const after = bench(domains, store, before.clock);
    await after.mxOf();
    expect(after.fetched).toEqual([]);
    await after.clock.advance(101_000);
    await after.mxOf();
    expect(after.fetched).toEqual(['a.example']);
  });

  test('a clock that is set back prolongs nothing', async () => {
    const { store, saved } = memory();
    const now = new FakeClock().now();
    const parsed = { mode: 'enforce' as const, mx: ['mx.a'], maxAge: 600 };
    saved.push([
      { domain: 'a.example', id: '1', policy: parsed, fetched: now + DAY, expires: now + DAY + 600_000 },
    ]);
    const { mxOf, clock } = bench({}, store);
    expect(await mxOf()).toBe('mx.a');
    await clock.advance(600_000);
    expect(await mxOf()).toBeUndefined();
  });

  test('is written at most once a minute, and at the end', async () => {
    const { store, saved } = memory();
    const names = Array.from({ length: 50 }, (_, n) => `d${n}.example`);
    const domains = Object.fromEntries(names.map((name) => [name, { id: '1', web: policy('mx') }]));
    const { cache, clock } = bench(domains, store);
    for (const name of names) await cache.find(name);
    expect(saved.map(({ length }) => length)).toEqual([1]);
    await clock.advance(60_000);
    await cache.find('d0.example');
    expect(saved.map(({ length }) => length)).toEqual([1, 50]);
    // The ones used last go first, for when there is no room for all.
    expect(saved[1]![0]!.domain).toBe('d0.example');
    domains['d7.example'] = { id: '2', web: policy('mx7') };
    await cache.find('d7.example');
    await cache.close();
    expect(saved.map(({ length }) => length)).toEqual([1, 50, 50]);
    await cache.close();
    expect(saved).toHaveLength(3);
  });

  test('a store that fails is told of once, and tried again', async () => {
    let works = false;
    const saved: number[] = [];
    const store: PolicyStore = {
      load: () => Promise.reject(new Error('EACCES')),
      save: async (policies) => {
        if (!works) throw new Error('ENOSPC');
        saved.push([...policies].length);
      },
    };
    const { mxOf, said, clock } = bench({ 'a.example': { id: '1', web: policy('mx.a') } }, store);
    for (let minute = 0; minute < 3; minute++) {
      expect(await mxOf()).toBe('mx.a');
      await clock.advance(60_000);
    }
    expect(said).toEqual([
      'the policies of earlier cannot be read: EACCES',
      'policies cannot be kept: ENOSPC',
    ]);
    works = true;
    await mxOf();
    await clock.advance(0);
    expect(saved).toEqual([1]);
  });
});
