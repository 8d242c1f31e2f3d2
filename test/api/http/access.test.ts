import { describe, expect, test } from 'vitest';
import { AccessControlList } from '../../../src/model/access/index.ts';
import { basic, httpBench, LOCAL } from './kit.ts';

const POST = {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  payload: '{}',
} as const;
const BASIC = 'http_server_validate_auth_basic';
const BEARER = 'http_server_validate_auth_bearer';
const alice = { [BASIC]: (user: unknown, password: unknown) => user === 'alice' && password === 'secret' };

describe('without credentials', () => {
  test('a trusted address may use everything, others the liveness', async () => {
    const { ask } = await httpBench();
    expect((await ask('/metrics', LOCAL))[0]).toBe(200);
    expect(await ask('/api/check-liveness/v1')).toEqual([200, 'OK']);
    const refusal =
      '<Unauthenticated>@ ip=192.0.2.1 not permitted GET on http_listener/127.0.0.1:8000/metrics';
    expect(await ask('/metrics')).toEqual([401, refusal]);
    expect((await ask('/api/inject/v1', POST))[0]).toBe(401);
    expect((await ask('/api/admin/bump-config-epoch', { method: 'POST' }))[0]).toBe(401);
  });

  test('an IPv4 client of an IPv6 listener goes by its IPv4 address', async () => {
    const { ask } = await httpBench();
    expect((await ask('/metrics', { remoteAddress: '::ffff:127.0.0.1' }))[0]).toBe(200);
    expect((await ask('/metrics', { remoteAddress: '::ffff:192.0.2.7' }))[1]).toContain('ip=192.0.2.7 not');
  });

  test('what no rule is about is refused, whoever asks; HEAD is GET', async () => {
    const { ask } = await httpBench();
    expect((await ask('/nothing', LOCAL))[0]).toBe(401);
    expect(await ask('/api/admin/nothing', LOCAL)).toEqual([404, 'Error: not found']);
    expect((await ask('/metrics', { ...LOCAL, method: 'HEAD' }))[0]).toBe(200);
    expect((await ask('/metrics', { method: 'HEAD' }))[0]).toBe(401);
    expect((await ask('/metrics', { ...LOCAL, method: 'DELETE' }))[0]).toBe(401);
    expect((await ask('/metrics', { ...LOCAL, method: 'OPTIONS' }))[0]).toBe(401);
  });

  test.each([
    '/%61pi/admin/policy-status/v1',
    '/api/%61dmin/policy-status/v1',
    '//api/admin/policy-status/v1',
    '/api//admin/policy-status/v1',
    '/api/check-liveness/../admin/policy-status/v1',
    '/api/check-liveness/%2e%2e/admin/policy-status/v1',
    '/api/check-liveness/v1/../../admin/policy-status/v1',
    '/api/check-liveness%2f..%2fadmin/policy-status/v1',
    '/api/admin/policy-status/v1;/api/check-liveness/v1',
    `/api/check-liveness/${'x'.repeat(300)}/../../admin/policy-status/v1`,
    '/metrics%00/api/check-liveness/v1',
    '/metrics%00',
    '/metrics?x=/api/check-liveness/v1',
    'http://mta.example/metrics',
  ])('%s gets nobody in', async (path) => {
    const { ask } = await httpBench(
      {},
      { parts: { policyStatus: () => Promise.reject(new Error('got in')) } },
    );
    const [status, text] = await ask(path);
    expect([400, 401, 404]).toContain(status);
    expect(text).not.toContain('got in');
    expect(text).not.toContain('a_metric');
  });
});

describe('basic authentication', () => {
  test('who is right may inject and is told to the injection; administrators are by address', async () => {
    const { ask, injected, fired } = await httpBench(alice);
    const headers = { ...POST.headers, ...basic('alice', 'secret') };
    expect((await ask('/api/inject/v1', { ...POST, headers }))[0]).toBe(200);
    expect(injected).toMatchObject([
      {
        peer: '192.0.2.1',
        auth: {
          peer_address: '192.0.2.1',
          identities: [{ identity: 'alice', context: 'HttpBasicAuth' }],
          groups: [],
        },
      },
    ]);
    expect(await ask('/metrics', { headers: basic('alice', 'secret') })).toEqual([
      401,
      'id=[alice]@ ip=192.0.2.1 not permitted GET on http_listener/127.0.0.1:8000/metrics',
    ]);
    expect(fired).toEqual([[BASIC, 'alice', 'secret']]);
  });

  test('who is wrong gets nowhere, from a trusted address neither', async () => {
    const { app, ask } = await httpBench(alice);
    const wrong = { ...LOCAL, headers: basic('alice', 'guess') };
    expect(await ask('/metrics', wrong)).toEqual([401, 'HttpBasicAuth Authentication Failed for alice']);
    expect((await ask('/api/check-liveness/v1', wrong))[0]).toBe(401);
    const { headers } = await app.inject({ url: '/metrics', ...wrong });
    expect(headers['www-authenticate']).toBe('Basic realm="moonpost", charset="UTF-8"');
  });

  test('without a handler everybody is wrong; without a password it is nil', async () => {
    const { ask } = await httpBench();
    expect((await ask('/metrics', { ...LOCAL, headers: basic('alice', 'secret') }))[0]).toBe(401);
    const { ask: askOther, fired } = await httpBench({ [BASIC]: () => true });
    expect((await askOther('/metrics', { ...LOCAL, headers: basic('alice') }))[0]).toBe(200);
    await askOther('/metrics', { ...LOCAL, headers: basic('alice', 'a:b') });
    expect(fired).toEqual([
      [BASIC, 'alice', null],
      [BASIC, 'alice', 'a:b'],
    ]);
  });

  test.each([
    ['another scheme', 'Digest username="alice"'],
    ['a scheme in other letters', 'basic YWxpY2U6c2VjcmV0'],
    ['no base64', 'Basic a*b'],
    ['no UTF-8', `Basic ${Buffer.from([0x61, 0x3a, 0xff]).toString('base64')}`],
    ['a control character', `Basic ${Buffer.from('a\nb:c').toString('base64')}`],
    ['nothing after the scheme', 'Basic'],
    ['something after the credential', 'Basic YWxpY2U6c2VjcmV0 x'],
    ['no token', 'Bearer a b'],
    ['a very long one', `Bearer ${'x'.repeat(5000)}`],
  ])('%s is 400', async (_what, authorization) => {
    const { ask, fired } = await httpBench({ ...alice, [BEARER]: () => true });
    expect(await ask('/metrics', { ...LOCAL, headers: { authorization } })).toEqual([
      400,
      'invalid Authorization header',
    ]);
    expect(fired).toEqual([]);
  });

  test.each([
    [
      'an error',
      () => {
        throw new Error('broken');
      },
    ],
    ['nil', () => undefined],
    ['a text', () => 'yes'],
    ['a table of something else', () => ({ user: 'alice' })],
    ['an identity without context', () => ({ identities: [{ identity: 'alice' }] })],
    ['an identity of an unknown context', () => ({ identities: [{ identity: 'a', context: 'Guess' }] })],
    ['groups that are numbers', () => ({ groups: [1] })],
  ])('%s from the handler is 500, and the next request asks again', async (_what, handler) => {
    const { ask, fired } = await httpBench({ [BASIC]: handler });
    const options = { ...LOCAL, headers: basic('alice', 'secret') };
    expect(await ask('/metrics', options)).toEqual([500, 'try again later']);
    expect((await ask('/metrics', options))[0]).toBe(500);
    expect(fired).toHaveLength(2);
  });

  test('a table says who it is, and its groups count', async () => {
    const { ask, injected } = await httpBench({
      [BASIC]: () => ({
        identities: [{ identity: 'the boss', context: 'GenericAuth' }],
        groups: ['kumomta:http-listener-trusted-ip'],
      }),
    });
    expect((await ask('/metrics', { headers: basic('a', 'b') }))[0]).toBe(200);
    await ask('/api/inject/v1', { ...POST, headers: { ...POST.headers, ...basic('a', 'b') } });
    expect(injected[0]!.auth).toMatchObject({
      identities: [{ identity: 'the boss', context: 'GenericAuth' }],
    });
    // Nothing of it stays with those who come next.
    expect((await ask('/metrics'))[0]).toBe(401);
  });

  test('what was said holds for a minute, for 128 credentials, until the policy changes', async () => {
    const { ask, clock, fired, state } = await httpBench(alice);
    const right = { ...LOCAL, headers: basic('alice', 'secret') };
    await Promise.all([ask('/metrics', right), ask('/metrics', right)]);
    await clock.advance(59_999);
    await ask('/metrics', right);
    expect(fired).toHaveLength(1);
    await clock.advance(1);
    await ask('/metrics', right);
    expect(fired).toHaveLength(2);
    state.epoch++;
    await ask('/metrics', right);
    expect(fired).toHaveLength(3);
    for (let number = 0; number < 128; number++) {
      await ask('/metrics', { ...LOCAL, headers: basic('alice', `guess ${number}`) });
    }
    await ask('/metrics', right);
    expect(fired).toHaveLength(3 + 128 + 1);
  });
});

test('bearer tokens go by a hash, in answers and records', async () => {
  const { ask, fired, records, injected } = await httpBench({ [BEARER]: (token) => token === 'abc.def' });
  const headers = { ...POST.headers, authorization: 'Bearer abc.def' };
  expect((await ask('/api/inject/v1', { ...POST, headers }))[0]).toBe(200);
  const wrong = await ask('/metrics', { headers: { authorization: 'Bearer the-token-of-mine' } });
  expect(wrong[0]).toBe(401);
  expect(wrong[1]).toMatch(/^BearerToken Authentication Failed for sha256:[0-9a-f]{16}$/);
  expect(fired).toEqual([
    [BEARER, 'abc.def'],
    [BEARER, 'the-token-of-mine'],
  ]);
  expect(JSON.stringify([records, injected])).not.toMatch(/abc\.def|the-token/);
  expect(injected[0]!.auth).toMatchObject({ identities: [{ context: 'BearerToken' }] });
});

describe('rules of the policy', () => {
  const rule = (access: 'Allow' | 'Deny', privilege: string, Individual: string) => ({
    criteria: { Identity: { Individual } },
    privilege,
    access,
  });

  test('take the place of the built-in ones of that resource; the nearest decides', async () => {
    const { ask, fired } = await httpBench({
      [BASIC]: () => true,
      get_acl_definition: (resource) =>
        resource === 'http_listener/*/metrics' || resource === 'http_listener/127.0.0.1:8000/metrics.json'
          ? new AccessControlList([rule('Deny', 'GET', 'mallory'), rule('Allow', 'GET', 'prometheus')])
          : undefined,
    });
    const as = (user: string) => ({ headers: basic(user, 'x') });
    expect((await ask('/metrics', as('prometheus')))[0]).toBe(200);
    expect((await ask('/metrics.json', as('prometheus')))[0]).toBe(200);
    const denied = 'id=[mallory]@ ip=192.0.2.1 denied GET on http_listener/127.0.0.1:8000/metrics';
    expect(await ask('/metrics', as('mallory'))).toEqual([401, denied]);
    expect((await ask('/metrics', as('alice')))[1]).toMatch(
      /^id=\[alice\]@ ip=192\.0\.2\.1 not permitted GET on /,
    );
    expect((await ask('/metrics', LOCAL))[0]).toBe(401);
    expect((await ask('/metrics.json', LOCAL))[0]).toBe(200);
    const asked = fired.filter(([event]) => event === 'get_acl_definition').map(([, resource]) => resource);
    expect(asked.slice(0, 3)).toEqual([
      'http_listener/127.0.0.1:8000/metrics',
      'http_listener/127.0.0.1:8000',
      'http_listener/*/metrics',
    ]);
  });

  test('are asked for again after 300 ms, or as long as policy says', async () => {
    const { ask, fired, clock, declared, state } = await httpBench({ get_acl_definition: () => undefined });
    const count = async (): Promise<number> => {
      fired.length = 0;
      expect((await ask('/metrics', LOCAL))[0]).toBe(200);
      return fired.length;
    };
    expect(await count()).toBe(3);
    expect(await count()).toBe(0);
    await clock.advance(299);
    expect(await count()).toBe(0);
    await clock.advance(1);
    expect(await count()).toBe(3);
    state.epoch++;
    expect(await count()).toBe(3);
    await clock.advance(300);
    Object.assign(declared, { 'aaa.set_acl_cache_ttl': 60_000, 'aaa.set_check_cache_ttl': 1000 });
    expect(await count()).toBe(3);
    await clock.advance(30_000);
    expect(await count()).toBe(0);
  });

  test('stand alone when there is no falling back', async () => {
    const { ask, declared } = await httpBench();
    declared['aaa.set_fall_back_to_acl_map'] = false;
    expect((await ask('/metrics', LOCAL))[0]).toBe(401);
    expect((await ask('/api/check-liveness/v1', LOCAL))[0]).toBe(401);
  });

  test.each([
    [
      'an error',
      () => {
        throw new Error('broken');
      },
    ],
    ['anything else', () => 'everybody'],
  ])('%s of get_acl_definition lets nobody in, and is not kept', async (_what, handler) => {
    const { ask, fired } = await httpBench({ get_acl_definition: handler });
    expect(await ask('/metrics', LOCAL)).toEqual([500, 'try again later']);
    expect((await ask('/metrics', LOCAL))[0]).toBe(500);
    expect(fired).toHaveLength(2);
  });
});

describe('the audit log', () => {
  test('has who asked what, and why that was decided', async () => {
    const { ask, records } = await httpBench(alice);
    await ask('/metrics', LOCAL);
    await ask('/metrics', { headers: basic('alice', 'secret') });
    await ask('/metrics', { headers: basic('alice', 'guess') });
    const timestamp = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const attempted_identity = { identity: 'alice', context: 'HttpBasicAuth' };
    const known = { peer_address: '192.0.2.1', identities: [attempted_identity], groups: [] };
    expect(records).toEqual([
      {
        type: 'Authorization',
        timestamp,
        target_resource: 'http_listener/127.0.0.1:8000/metrics',
        privilege: 'GET',
        access: 'Allow',
        matching_resource: 'http_listener/*/metrics',
        rule: {
          criteria: { Identity: { Group: 'kumomta:http-listener-trusted-ip' } },
          privilege: 'GET',
          access: 'Allow',
        },
        auth_info: {
          peer_address: '127.0.0.1',
          identities: [],
          groups: ['kumomta:http-listener-trusted-ip'],
        },
        considered_resources: [
          'http_listener/127.0.0.1:8000/metrics',
          'http_listener/127.0.0.1:8000',
          'http_listener/*/metrics',
        ],
      },
      { type: 'Authentication', timestamp, attempted_identity, success: true, auth_info: known },
      expect.objectContaining({ type: 'Authorization', access: 'Deny', auth_info: known }),
      expect.objectContaining({ type: 'Authentication', attempted_identity, success: false }),
    ]);
    expect(JSON.stringify(records)).not.toMatch(/secret|guess/);
  });

  test('stops the rest when it cannot be written', async () => {
    const { ask, state } = await httpBench();
    state.stalled = true;
    expect(await ask('/metrics', LOCAL)).toEqual([503, 'the audit log cannot be written']);
    state.stalled = false;
    expect((await ask('/metrics', LOCAL))[0]).toBe(200);
  });
});
