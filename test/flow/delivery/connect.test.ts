import { describe, expect, test } from 'vitest';
import { ConnectFailure, connectSmtp } from '../../../src/flow/delivery/index.ts';
import { DialError, type DialFailureKind } from '../../../src/io/net/index.ts';
import type { TlsClientOptions, TlsInfo } from '../../../src/model/index.ts';
import { defaultEgressPathOptions } from '../../../src/model/options/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { testSecurity } from '../../kit/peer-security.ts';
import {
  accepting,
  type ConversationOptions,
  connected,
  converse,
  everything,
  except,
  message,
} from './scripted-server.ts';

async function failureOf(options: ConversationOptions, wait = 0): Promise<ConnectFailure> {
  const { connecting, clock } = converse(options);
  if (wait > 0) await clock.advance(wait);
  const error = await connecting.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConnectFailure);
  return error as ConnectFailure;
}

const tls: TlsInfo = {
  cipher: 'TLS_AES_128_GCM_SHA256',
  protocolVersion: 'TLSv1.3',
  peerSubjectName: ['CN=mx'],
};
const secured = async (): Promise<TlsInfo> => tls;
const broken = (): Promise<TlsInfo> => Promise.reject(new Error('certificate has expired'));
const withTls = accepting('PIPELINING', 'STARTTLS');

describe('the greeting', () => {
  test('EHLO follows the banner', async () => {
    const { session, server } = await connected();
    expect(server.commands).toEqual(['EHLO client.example']);
    expect([...session.capabilities.keys()]).toEqual([
      'PIPELINING',
      '8BITMIME',
      'SMTPUTF8',
      'ENHANCEDSTATUSCODES',
    ]);
  });

  test('HELO where EHLO is unknown', async () => {
    const { session, server } = await connected({ answers: except(everything, { EHLO: '502 5.5.2 what?' }) });
    expect(server.commands).toEqual(['EHLO client.example', 'HELO client.example']);
    expect(session.capabilities.size).toBe(0);
    await session.attempt(message());
    expect(server.bodies).toHaveLength(1);
  });

  test.each([
    ['a banner of 554', { banner: '554 5.7.1 go away' }, 'banner', 'banner: 554 5.7.1 go away'],
    ['a banner of 421', { banner: '421 busy' }, 'banner', 'banner: 421 busy'],
    ['no SMTP at all', { banner: 'SSH-2.0-OpenSSH' }, 'closed', 'not an SMTP reply: "SSH-2.0-OpenSSH"'],
    ['hanging up', { banner: 'hangup' }, 'closed', 'the peer closed the connection'],
    ['421 to EHLO', { answers: except(everything, { EHLO: '421 busy' }) }, 'ehlo', 'EHLO: 421 busy'],
    [
      '5xx to EHLO and HELO',
      { answers: except(everything, { EHLO: '500 no', HELO: '550 no' }) },
      'ehlo',
      'HELO: 550 no',
    ],
  ])('%s fails the candidate', async (_, options, kind, text) => {
    const failure = await failureOf(options);
    expect(failure).toMatchObject({ kind, text: `mx.example/192.0.2.1:25: ${text}` });
    expect(failure.candidate.address).toBe('192.0.2.1');
  });

  test.each(['250 hello', '354 go on', '221 bye'])('a banner that is none: %s', async (banner) => {
    expect(await failureOf({ banner })).toMatchObject({
      kind: 'banner',
      text: expect.stringContaining(banner),
    });
  });

  test('a refused greeting is left with QUIT', async () => {
    const { connecting, servers, clock } = converse({ banner: '554 no' });
    await connecting.catch(() => {});
    await clock.advance(0);
    expect(servers[0]!.commands).toEqual(['QUIT']);
    expect(servers[0]!.closed).toBe(true);
  });

  test.each([
    ['banner', { banner: 'silence' }, 60_000, 'Timed Out waiting 60s for the initial banner'],
    [
      'EHLO',
      { answers: () => 'silence' },
      300_000,
      'Timed Out waiting 300s for response to EHLO client.example',
    ],
  ])('a silent peer: %s', async (_, options, wait, text) => {
    expect(await failureOf(options, wait)).toMatchObject({
      kind: 'timeout',
      text: expect.stringContaining(text),
    });
  });

  test.each<[DialFailureKind, string]>([
    ['unplumbed', 'unplumbed'],
    ['refused', 'refused'],
    ['timeout', 'timeout'],
    ['shortage', 'shortage'],
    ['failed', 'dial'],
  ])('a dial that is %s', async (dialed, kind) => {
    const connecting = connectSmtp({
      candidate: { name: 'mx.example', address: '2001:db8::1', port: 25 },
      path: defaultEgressPathOptions(),
      source: { name: 'one', source_address: '192.0.2.9' },
      ehloName: 'client.example',
      clock: new FakeClock(),
      security: testSecurity(),
      queue: 'q',
      dial: () => Promise.reject(new DialError(dialed, 'no luck')),
    });
    await expect(connecting).rejects.toMatchObject({
      kind,
      text: /^mx.example\/\[2001:db8::1\]:25: connect.*: no luck$/,
    });
  });

  test.each(['bad name', 'x\r\nMAIL FROM:<>', ''])('EHLO name %j is not sent', async (ehloName) => {
    const connecting = connectSmtp({
      candidate: { name: 'mx.example', address: '192.0.2.1', port: 25 },
      path: defaultEgressPathOptions(),
      source: { name: 'one', source_address: undefined },
      ehloName,
      clock: new FakeClock(),
      security: testSecurity(),
      queue: 'q',
      dial: () => Promise.reject(new Error('dialed')),
    });
    await expect(connecting).rejects.toMatchObject({ kind: 'ehlo' });
  });
});

describe('enable_tls', () => {
  const modes = [
    'Opportunistic',
    'OpportunisticInsecure',
    'Required',
    'RequiredInsecure',
    'Disabled',
  ] as const;

  test.each(modes)('%s, STARTTLS offered and working', async (enable_tls) => {
    const asked: TlsClientOptions[] = [];
    const secure = async (options: TlsClientOptions): Promise<TlsInfo> => {
      asked.push(options);
      return tls;
    };
    const { session, server } = await connected({ answers: withTls, secure, path: { enable_tls } });
    if (enable_tls === 'Disabled') {
      expect(session.tls).toBeUndefined();
      expect(server.commands).toEqual(['EHLO client.example']);
      return;
    }
    expect(session.tls).toBe(tls);
    const checks = !enable_tls.endsWith('Insecure');
    expect(asked).toMatchObject([
      { serverName: 'mx.example', check: { kind: 'authority', certificate: checks, name: checks } },
    ]);
    expect(server.commands).toEqual(['EHLO client.example', 'STARTTLS', 'EHLO client.example']);
    expect((await session.attempt(message())).tls).toBe(tls);
  });

  test.each(modes)('%s, STARTTLS not offered', async (enable_tls) => {
    const options = { answers: everything, secure: secured, path: { enable_tls } };
    if (enable_tls.startsWith('Required'))
      expect(await failureOf(options)).toMatchObject({ kind: 'starttls' });
    else expect((await connected(options)).session).toMatchObject({ tls: undefined, brokenTls: undefined });
  });

  test.each(modes.filter((mode) => mode !== 'Disabled'))('%s, handshake fails', async (enable_tls) => {
    const options = { answers: withTls, secure: broken, path: { enable_tls } };
    if (enable_tls !== 'OpportunisticInsecure') {
      const failure = await failureOf(options);
      expect(failure).toMatchObject({ kind: 'starttls', text: /STARTTLS: certificate has expired$/ });
      return;
    }
    const { servers, connecting } = converse(options);
    expect(await connecting).toMatchObject({ tls: undefined, brokenTls: /certificate has expired/ });
    expect(servers.map((server) => server.commands)).toEqual([
      ['EHLO client.example', 'STARTTLS'],
      ['EHLO client.example'],
    ]);
  });

  test('Opportunistic dials again without TLS when it is told to', async () => {
    const path = {
      enable_tls: 'Opportunistic',
      opportunistic_tls_reconnect_on_failed_handshake: true,
    } as const;
    const { session } = await connected({ answers: withTls, secure: broken, path });
    expect(session.brokenTls).toContain('certificate has expired');
    const required = { ...path, enable_tls: 'Required' } as const;
    expect((await failureOf({ answers: withTls, secure: broken, path: required })).kind).toBe('starttls');
  });

  test.each(modes.filter((mode) => mode !== 'Disabled'))(
    '%s, STARTTLS refused with 454',
    async (enable_tls) => {
      const options = {
        answers: except(withTls, { STARTTLS: '454 4.7.0 not now' }),
        secure: secured,
        path: { enable_tls },
      };
      if (enable_tls === 'OpportunisticInsecure')
        expect((await connected(options)).session.tls).toBeUndefined();
      else expect(await failureOf(options)).toMatchObject({ kind: 'starttls', reply: { code: 454 } });
    },
  );

  test('a handshake that hangs is a failure in every mode', async () => {
    for (const enable_tls of ['OpportunisticInsecure', 'Opportunistic', 'Required'] as const) {
      const secure = () => new Promise<TlsInfo>(() => {});
      const failure = await failureOf({ answers: withTls, secure, path: { enable_tls } }, 5000);
      expect(failure).toMatchObject({
        kind: 'starttls-timeout',
        text: expect.stringContaining('Timed Out waiting 5s'),
      });
    }
  });

  test.each(['220 ready\n250 injected', '220 ready\n25'])(
    'plain text behind the 220 (%j) is refused',
    async (said) => {
      const answers = except(withTls, { STARTTLS: said });
      const failure = await failureOf({ answers, secure: secured, path: { enable_tls: 'Required' } });
      expect(failure).toMatchObject({ kind: 'starttls', text: /the server sent more than its reply$/ });
    },
  );

  test('what was offered before TLS does not count after it', async () => {
    let greeted = 0;
    const after = accepting('8BITMIME');
    const answers = (command: string): string =>
      command.startsWith('EHLO') && greeted++ > 0 ? after(command) : withTls(command);
    const { session } = await connected({ answers, secure: secured, path: { enable_tls: 'Required' } });
    expect([...session.capabilities.keys()]).toEqual(['8BITMIME']);
  });

  test('EHLO refused after TLS fails the candidate in every mode', async () => {
    for (const enable_tls of ['OpportunisticInsecure', 'Opportunistic', 'Required'] as const) {
      let greeted = 0;
      const answers = (command: string): string =>
        command.startsWith('EHLO') && greeted++ > 0 ? '550 no' : withTls(command);
      expect((await failureOf({ answers, secure: secured, path: { enable_tls } })).kind).toBe('ehlo');
    }
  });
});
