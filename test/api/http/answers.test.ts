import { gunzipSync, inflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { chosenCoding } from '../../../src/api/http/compressed-answers.ts';
import type { Refusal } from '../../../src/model/index.ts';
import { basic, httpBench, LOCAL } from './kit.ts';

const METRICS = 'a_metric 1\n'.repeat(1000);

describe('compressed answers', () => {
  test.each([
    [undefined, undefined],
    ['', undefined],
    ['gzip', 'gzip'],
    ['GZIP', 'gzip'],
    ['deflate', 'deflate'],
    ['deflate, gzip', 'gzip'],
    ['gzip;q=0.5, deflate', 'deflate'],
    ['gzip;q=0', undefined],
    ['br', undefined],
    ['*', 'gzip'],
    ['*;q=0', undefined],
    ['gzip;q=0, *', 'deflate'],
    ['identity, gzip;q=0.5', undefined],
    ['gzip;q=x', undefined],
    [`${','.repeat(5000)}gzip`, undefined],
  ])('of %j comes %j', (header, coding) => {
    expect(chosenCoding(header)).toBe(coding);
  });

  test.each([
    ['gzip', gunzipSync],
    ['deflate', inflateSync],
  ])('a stream in %s', async (coding, unpack) => {
    const { app } = await httpBench();
    const answer = await app.inject({ ...LOCAL, url: '/metrics', headers: { 'accept-encoding': coding } });
    expect(answer.headers).toMatchObject({ 'content-encoding': coding, vary: 'accept-encoding' });
    expect(answer.rawPayload.length).toBeLessThan(METRICS.length / 10);
    expect(unpack(answer.rawPayload).toString()).toBe(METRICS);
  });

  test('a text; a short one is sent as it is', async () => {
    const files = Array.from({ length: 100 }, (_, index) => `/etc/policy/${index}.lua`);
    const status = { generation: 1, since: '', policy: '', files, events: [], monitored_globs: [] };
    const rest = { old_generations: [], is_building: false, failure: null, needs_restart: [] };
    const policyStatus = async () => ({ ...status, ...rest });
    const { app } = await httpBench({}, { parts: { policyStatus } });
    const headers = { 'accept-encoding': 'gzip' };
    const answer = await app.inject({ ...LOCAL, url: '/api/admin/policy-status/v1', headers });
    expect(answer.headers['content-encoding']).toBe('gzip');
    expect(JSON.parse(gunzipSync(answer.rawPayload).toString())).toMatchObject({ files });
    const short = await app.inject({ ...LOCAL, url: '/api/check-liveness/v1', headers });
    expect([short.headers['content-encoding'], short.body]).toEqual([undefined, 'OK']);
  });

  test('four at a time: clients that do not read take nothing from the others', async () => {
    const open: (() => void)[] = [];
    const { app } = await httpBench(
      {},
      {
        parts: {
          async *readMetrics() {
            yield Buffer.from('a');
            await new Promise<void>((resolve) => open.push(resolve));
            yield Buffer.from('b');
          },
        },
      },
    );
    const headers = { 'accept-encoding': 'gzip' };
    const answers = Array.from({ length: 6 }, () => app.inject({ ...LOCAL, url: '/metrics', headers }));
    while (open.length < 6) await new Promise<void>((resolve) => setImmediate(resolve));
    for (const go of open) go();
    const codings = (await Promise.all(answers)).map((answer) => answer.headers['content-encoding']);
    expect(codings.filter((coding) => coding === 'gzip')).toHaveLength(4);
    const [later] = await Promise.all([
      app.inject({ ...LOCAL, url: '/metrics', headers }),
      (async () => {
        while (open.length < 7) await new Promise<void>((resolve) => setImmediate(resolve));
        open[6]!();
      })(),
    ]);
    expect(later.headers['content-encoding']).toBe('gzip');
  });
});

describe('whom a request is for', () => {
  const bump = { ...LOCAL, method: 'POST', url: '/api/admin/bump-config-epoch' } as const;

  test.each([
    ['mta.example', 200],
    ['127.0.0.1:8000', 200],
    ['[::1]:8000', 200],
    ['any.name.example', 200],
    ['a b', 400],
    ['mta.example@evil.example', 400],
    ['mta.example/../x', 400],
    ['mta.example:8000:1', 400],
    ['mta.example, evil.example', 400],
    ['<script>', 400],
  ])('Host: %s is %i', async (host, status) => {
    const { app } = await httpBench({}, { parts: { bumpConfigEpoch: async () => {} } });
    expect((await app.inject({ ...bump, headers: { host } })).statusCode).toBe(status);
  });

  test.each([
    [{ origin: 'http://evil.example', host: '127.0.0.1:8000' }, 403],
    [{ origin: 'null', host: '127.0.0.1:8000' }, 403],
    // The name of a page that was given the address of this machine.
    [{ origin: 'http://evil.example:8000', host: 'evil.example:8000', 'sec-fetch-site': 'same-origin' }, 403],
    [{ 'sec-fetch-site': 'cross-site', host: '127.0.0.1:8000' }, 403],
    [{ origin: 'http://127.0.0.1:8000', host: '127.0.0.1:8000' }, 200],
    [{ origin: 'https://mta.example', host: 'mta.example' }, 200],
    [{ origin: 'http://localhost:8000', host: 'localhost:8000' }, 200],
  ])('%j is %i', async (headers, status) => {
    const { app } = await httpBench({}, { parts: { bumpConfigEpoch: async () => {} } });
    expect((await app.inject({ ...bump, headers: headers as Record<string, string> })).statusCode).toBe(
      status,
    );
  });
});

describe('why there is no mail', () => {
  test.each<[Refusal, string]>([
    ['shutting down', 'shutting down'],
    ['load shedding', 'load shedding'],
    ['waiting for spool startup', 'waiting for spool startup'],
    ['disk is too full', 'storage is too full'],
  ])('%s, as liveness has it: %s', async (refusal, text) => {
    const { ask } = await httpBench({}, { parts: { refusal: () => refusal } });
    expect(await ask('/api/check-liveness/v1')).toEqual([503, text]);
  });
});

test('clients send `null` where they have nothing to say', async () => {
  const { ask } = await httpBench({}, { parts: { bumpConfigEpoch: async () => {} } });
  const nothing = { ...LOCAL, payload: 'null', headers: { 'content-type': 'application/json' } };
  expect((await ask('/metrics', nothing))[0]).toBe(200);
  expect((await ask('/api/check-liveness/v1', nothing))[0]).toBe(200);
  expect((await ask('/api/admin/bump-config-epoch', { ...nothing, method: 'POST' }))[0]).toBe(200);
  const empty = { ...nothing, payload: '', method: 'POST' } as const;
  expect((await ask('/api/admin/bump-config-epoch', empty))[0]).toBe(200);
  expect((await ask('/api/admin/bounce/v1', empty))[0]).toBe(422);
});

test('what is wrong with a request is told without what it holds', async () => {
  const { ask, said, records } = await httpBench({ http_server_validate_auth_basic: () => true });
  const SECRET = 'hunter2hunter2';
  const json = { 'content-type': 'application/json' };
  const post = (url: string, payload: string, headers: object = json) =>
    ask(url, { ...LOCAL, method: 'POST', payload, headers: { ...headers } as Record<string, string> });
  const answers = [
    await post('/api/admin/rebind/v1', `{"reason": "${SECRET}", `),
    await post('/api/admin/rebind/v1', `{"reason": ["${SECRET}"], "data": {}}`),
    await post('/api/admin/rebind/v1', `{"__proto__": "${SECRET}"}`),
    await post('/api/inject/v1', `{"${SECRET}`),
    await post('/api/admin/rebind/v1', SECRET, { 'content-type': 'text/plain' }),
    await post('/api/admin/rebind/v1', '{}', { ...json, 'content-encoding': 'zip' }),
    await post('/api/admin/rebind/v1', SECRET, { ...json, 'content-encoding': 'gzip' }),
    await ask(`/metrics?prefix=-${SECRET}`, LOCAL),
    await ask(`/api/admin/%zz${SECRET}`, LOCAL),
    await ask('/api/admin/nothing', { ...LOCAL, headers: basic('alice', SECRET) }),
    await ask('/metrics', { headers: basic('alice', SECRET) }),
    await ask('/metrics', { headers: { authorization: `Token ${SECRET}` } }),
  ];
  const statuses = answers.map(([status]) => status);
  expect(statuses).toEqual([400, 422, 400, 400, 415, 415, 400, 400, 400, 404, 401, 400]);
  expect(JSON.stringify([answers, said, records])).not.toContain(SECRET);
});
