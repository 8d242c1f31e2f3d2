import { describe, expect, test } from 'vitest';
import type { PeerTlsPolicy, TlsClientOptions, TlsInfo } from '../../../src/model/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { testSecurity } from '../../kit/peer-security.ts';
import { accepting, type ConversationOptions, connected, converse, everything } from './scripted-server.ts';

const tls: TlsInfo = { cipher: 'C', protocolVersion: 'TLSv1.3', peerSubjectName: [] };
const withTls = accepting('PIPELINING', 'STARTTLS');
const broken = (): Promise<TlsInfo> => Promise.reject(new Error('wrong version number'));

/** Makes a session and gives what TLS was asked for. */
async function asked(options: ConversationOptions): Promise<TlsClientOptions[]> {
  const seen: TlsClientOptions[] = [];
  const secure = async (one: TlsClientOptions): Promise<TlsInfo> => {
    seen.push(one);
    return tls;
  };
  await connected({ answers: withTls, secure, ...options });
  return seen;
}

const record = { usage: 3, selector: 1, matchingType: 1, data: Buffer.alloc(32) };
const authority = (certificate: boolean, name: boolean) => ({ kind: 'authority', certificate, name });

describe('what the domain asks beats enable_tls', () => {
  test.each<[string, PeerTlsPolicy, object]>([
    ['MTA-STS enforce', { by: 'mta-sts', mode: 'Required' }, authority(true, true)],
    ['MTA-STS testing', { by: 'mta-sts', mode: 'OpportunisticInsecure' }, authority(false, false)],
    ['DANE with unusable records', { by: 'dane', mode: 'RequiredInsecure' }, authority(false, false)],
    [
      'DANE',
      { by: 'dane', mode: 'Required', tlsa: [record], tlsaNames: ['domain.example'] },
      { kind: 'tlsa', records: [record], names: ['mx.example', 'domain.example'] },
    ],
  ])('%s', async (_, policy, check) => {
    for (const enable_tls of ['Disabled', 'Required', 'OpportunisticInsecure'] as const) {
      const path = {
        enable_tls,
        tls_server_name: 'x',
        tls_verify_certificate: true,
        tls_verify_hostname: false,
      };
      const seen = await asked({ candidate: { tls: policy }, path });
      expect(seen).toMatchObject([{ serverName: 'mx.example', check }]);
    }
  });

  test.each(['dane', 'mta-sts'] as const)('%s requires: never in clear', async (by) => {
    const candidate = { tls: { by, mode: 'Required' } } as const;
    const path = {
      enable_tls: 'Opportunistic',
      opportunistic_tls_reconnect_on_failed_handshake: true,
    } as const;
    const missing = converse({ candidate, path, answers: everything });
    await expect(missing.connecting).rejects.toMatchObject({
      kind: 'starttls',
      text: expect.stringMatching(/not offered, but (DANE|MTA-STS) requires TLS/),
    });
    const failing = converse({ candidate, path, answers: withTls, secure: broken });
    await expect(failing.connecting).rejects.toMatchObject({ kind: 'starttls' });
    expect(failing.servers).toHaveLength(1);
  });

  test('testing goes on in clear, whatever is configured', async () => {
    const candidate = { tls: { by: 'mta-sts', mode: 'OpportunisticInsecure' } } as const;
    const { session } = await connected({
      candidate,
      path: { enable_tls: 'Required' },
      answers: withTls,
      secure: broken,
    });
    expect(session).toMatchObject({ tls: undefined, brokenTls: /wrong version/ });
  });

  test('a policy that could not be had forbids the address', async () => {
    const tls: PeerTlsPolicy = { by: 'dane', mode: 'Required', failure: 'TLSA lookup: SERVFAIL' };
    const { connecting, servers } = converse({ candidate: { tls } });
    await expect(connecting).rejects.toMatchObject({
      kind: 'tls-policy',
      text: 'mx.example/192.0.2.1:25: TLSA lookup: SERVFAIL',
    });
    expect(servers).toEqual([]);
  });
});

describe('the name and the switches', () => {
  test.each([
    [{ enable_tls: 'Required' }, 'mx.example', authority(true, true)],
    [{ enable_tls: 'Required', tls_server_name: 'x.test' }, 'x.test', authority(true, true)],
    [{ enable_tls: 'Required', tls_verify_hostname: false }, 'mx.example', authority(true, false)],
    [{ enable_tls: 'Opportunistic', tls_verify_certificate: false }, 'mx.example', authority(false, true)],
    [{ enable_tls: 'RequiredInsecure', tls_verify_certificate: true }, 'mx.example', authority(true, false)],
  ] as const)('%j', async (path, serverName, check) => {
    expect(await asked({ path })).toMatchObject([{ serverName, check }]);
  });

  test('an internationalized name is in ASCII', async () => {
    const candidate = { name: 'mx.bücher.example' };
    expect(await asked({ candidate, path: { enable_tls: 'Required' } })).toMatchObject([
      { serverName: 'mx.xn--bcher-kva.example' },
    ]);
  });

  test('a host without name is asked for by its address', async () => {
    expect(await asked({ candidate: { name: '' }, path: { enable_tls: 'Required' } })).toMatchObject([
      { serverName: '192.0.2.1' },
    ]);
  });
});

test('settings that cannot be used fail the address before it is dialled, and never lead to clear text', async () => {
  const path = {
    enable_tls: 'OpportunisticInsecure',
    openssl_cipher_list: 'NONSENSE',
    opportunistic_tls_reconnect_on_failed_handshake: true,
  } as const;
  const { connecting, servers } = converse({ path, answers: withTls });
  await expect(connecting).rejects.toMatchObject({
    kind: 'starttls',
    text: expect.stringContaining('openssl_cipher_list: '),
  });
  expect(servers).toEqual([]);
});

describe('implicit_tls', () => {
  test('TLS comes before the banner, and STARTTLS is not used', async () => {
    const path = { implicit_tls: true, enable_tls: 'Opportunistic' } as const;
    const secure = async () => tls;
    const { session, server } = await connected({ path, answers: withTls, secure });
    expect(session.tls).toBe(tls);
    expect(server.commands).toEqual(['EHLO client.example']);
  });

  test.each([
    ['Disabled', true],
    ['Opportunistic', true],
    ['OpportunisticInsecure', false],
    ['Required', true],
    ['RequiredInsecure', false],
  ] as const)('%s: the certificate counts: %s', async (enable_tls, counts) => {
    const path = { implicit_tls: true, enable_tls };
    expect(await asked({ path })).toMatchObject([{ check: authority(counts, counts) }]);
    const reconnecting = { ...path, opportunistic_tls_reconnect_on_failed_handshake: true };
    const { connecting, servers } = converse({ path: reconnecting, answers: withTls, secure: broken });
    await expect(connecting).rejects.toMatchObject({
      kind: 'starttls',
      text: /: TLS: wrong version number$/,
    });
    expect(servers).toHaveLength(1);
  });
});

describe('remember_broken_tls', () => {
  const clock = new FakeClock();
  const dialog = (security: ReturnType<typeof testSecurity>, path: ConversationOptions['path']) =>
    converse({ clock, security, path, answers: withTls, secure: broken });
  const commands = async ({ connecting, servers }: ReturnType<typeof converse>) => {
    await connecting.catch(() => {});
    return servers.map((server) => server.commands.includes('STARTTLS'));
  };

  test.each([
    ['nothing is remembered without the options', { enable_tls: 'OpportunisticInsecure' }, undefined],
    ['for its time', { enable_tls: 'OpportunisticInsecure', remember_broken_tls: 60_000 }, 60_000],
    ['also when the address fails', { enable_tls: 'Opportunistic', remember_broken_tls: 60_000 }, 60_000],
    [
      '15 minutes with the reconnect option',
      { enable_tls: 'Opportunistic', opportunistic_tls_reconnect_on_failed_handshake: true },
      900_000,
    ],
    [
      'its own time beats that of the reconnect option',
      {
        enable_tls: 'Opportunistic',
        opportunistic_tls_reconnect_on_failed_handshake: true,
        remember_broken_tls: 5000,
      },
      5000,
    ],
  ] as const)('%s', async (_, path, duration) => {
    const security = testSecurity({ clock });
    const first = (await commands(dialog(security, path)))[0];
    expect(first).toBe(true);
    expect((await commands(dialog(security, path)))[0]).toBe(duration === undefined);
    if (duration === undefined) return;
    await clock.advance(duration - 1);
    expect((await commands(dialog(security, path)))[0]).toBe(false);
    await clock.advance(1);
    expect((await commands(dialog(security, path)))[0]).toBe(true);
  });

  test('required TLS neither heeds nor makes the memory', async () => {
    const security = testSecurity({ clock });
    await commands(dialog(security, { enable_tls: 'Required', remember_broken_tls: 60_000 }));
    const optional = { enable_tls: 'OpportunisticInsecure', remember_broken_tls: 60_000 } as const;
    expect((await commands(dialog(security, optional)))[0]).toBe(true);
    expect((await commands(dialog(security, optional)))[0]).toBe(false);
    for (const enable_tls of ['Required', 'RequiredInsecure'] as const) {
      expect((await commands(dialog(security, { enable_tls })))[0]).toBe(true);
    }
    const enforced = converse({
      clock,
      security,
      path: optional,
      answers: withTls,
      secure: broken,
      candidate: { tls: { by: 'mta-sts', mode: 'Required' } },
    });
    expect((await commands(enforced))[0]).toBe(true);
  });

  test('a handshake that hangs is not remembered: it fails the address', async () => {
    const security = testSecurity({ clock });
    const path = { enable_tls: 'OpportunisticInsecure', remember_broken_tls: 60_000 } as const;
    const hanging = converse({
      clock,
      security,
      path,
      answers: withTls,
      secure: () => new Promise(() => {}),
    });
    await clock.advance(5000);
    await expect(hanging.connecting).rejects.toMatchObject({ kind: 'starttls-timeout' });
    expect((await commands(dialog(security, path)))[0]).toBe(true);
  });
});
