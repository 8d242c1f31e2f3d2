import { describe, expect, test } from 'vitest';
import type { TlsInfo } from '../../../src/model/index.ts';
import { testSecurity } from '../../kit/peer-security.ts';
import { accepting, type ConversationOptions, connected, converse, except } from './scripted-server.ts';

const CANARY = 'c4nary-Pässword';
const response = Buffer.from(`\0user\0${CANARY}`).toString('base64');
const offering = except(accepting('AUTH LOGIN PLAIN', 'STARTTLS'), { AUTH: '235 2.7.0 welcome' });
const info: TlsInfo = { cipher: 'C', protocolVersion: 'TLSv1.3', peerSubjectName: [] };
const secured = (verified: boolean) => async (): Promise<TlsInfo> => ({ ...info, verified });

const credentials = {
  smtp_auth_plain_username: 'user',
  smtp_auth_plain_password: { from: 'inline', bytes: Buffer.from(CANARY) },
} as const;

function dialog(options: ConversationOptions) {
  return converse({
    answers: offering,
    secure: secured(true),
    ...options,
    path: { enable_tls: 'OpportunisticInsecure', ...credentials, ...options.path },
  });
}

async function failureOf(
  options: ConversationOptions,
  wait?: number,
): Promise<{ text: string; all: string }> {
  const { connecting, clock } = dialog(options);
  if (wait !== undefined) await clock.advance(wait);
  const error = (await connecting.then(
    () => undefined,
    (reason: unknown) => reason,
  )) as Error & { kind: string; text: string };
  expect(error).toMatchObject({ name: 'Error', text: expect.any(String) });
  const all = `${error.stack} ${JSON.stringify(error)}`;
  for (const secret of [CANARY, response, Buffer.from(CANARY).toString('base64')])
    expect(all).not.toContain(secret);
  return { text: error.text.replace(/^mx.example\/192.0.2.1:25: /, ''), all };
}

describe('AUTH PLAIN', () => {
  test('comes after the last EHLO', async () => {
    const { connecting, servers } = dialog({});
    await connecting;
    expect(servers[0]!.commands).toEqual([
      'EHLO client.example',
      'STARTTLS',
      'EHLO client.example',
      `AUTH PLAIN ${response}`,
    ]);
  });

  test('a server may ask for the response with 334', async () => {
    const answers = except(offering, { AUTH: '334 ', [response]: '235 2.7.0 welcome' });
    const { connecting, servers } = dialog({ answers });
    await connecting;
    expect(servers[0]!.commands.at(-1)).toBe(response);
  });

  test('the password may come from a file that ends in a line end', async () => {
    const security = testSecurity({ files: { secret: `${CANARY}\n` } });
    const path = { smtp_auth_plain_password: { from: 'file', path: 'secret' } } as const;
    const { connecting, servers } = dialog({ security, path });
    await connecting;
    expect(servers[0]!.commands).toContain(`AUTH PLAIN ${response}`);
  });

  const inClear = 'AUTH PLAIN: the connection is in clear, and allow_smtp_auth_plain_without_tls is not set';
  const unproved =
    'AUTH PLAIN: the certificate of the server is not proved, and allow_smtp_auth_plain_without_valid_certificate is not set';
  test.each([
    ['in clear', false, undefined, {}, inClear],
    [
      'in clear, with the other switch',
      false,
      undefined,
      { allow_smtp_auth_plain_without_valid_certificate: true },
      inClear,
    ],
    ['in clear, allowed', false, undefined, { allow_smtp_auth_plain_without_tls: true }, undefined],
    ['not proved', true, false, {}, unproved],
    ['not proved, with the other switch', true, false, { allow_smtp_auth_plain_without_tls: true }, unproved],
    [
      'not proved, allowed',
      true,
      false,
      { allow_smtp_auth_plain_without_valid_certificate: true },
      undefined,
    ],
    ['proved', true, true, {}, undefined],
  ] as const)('%s', async (_, withTls, verified, path, why) => {
    const options: ConversationOptions = {
      secure: secured(verified ?? false),
      path: { ...path, enable_tls: withTls ? 'OpportunisticInsecure' : 'Disabled' },
    };
    if (why === undefined) {
      const { connecting, servers } = dialog(options);
      await connecting;
      expect(servers[0]!.commands).toContain(`AUTH PLAIN ${response}`);
      return;
    }
    expect((await failureOf(options)).text).toBe(why);
    const { connecting, servers, clock } = dialog(options);
    await expect(connecting).rejects.toMatchObject({ kind: 'auth' });
    await clock.advance(0);
    expect(servers[0]!.commands.some((command) => command.startsWith('AUTH'))).toBe(false);
    expect(servers[0]!.commands.at(-1)).toBe('QUIT');
  });

  test('after a broken handshake the clear connection is not used for it', async () => {
    const { text } = await failureOf({ secure: () => Promise.reject(new Error('broken')) });
    expect(text).toBe(inClear);
  });

  test.each([
    ['not offered', accepting('AUTH LOGIN', 'STARTTLS'), 'the server does not offer it'],
    ['no AUTH at all', accepting('STARTTLS'), 'the server does not offer it'],
    ['refused', except(offering, { AUTH: '535 5.7.8 no' }), '535 5.7.8 no'],
    ['busy', except(offering, { AUTH: '454 4.7.0 later' }), '454 4.7.0 later'],
    ['refused after 334', except(offering, { AUTH: '334 ', [response]: '535 no' }), '535 no'],
  ])('%s', async (_, answers, why) => {
    expect((await failureOf({ answers })).text).toBe(`AUTH PLAIN: ${why}`);
  });

  test.each([
    ['no password', { smtp_auth_plain_password: undefined }, 'smtp_auth_plain_password is not set'],
    ['a file that is not there', { smtp_auth_plain_password: { from: 'file', path: 'x' } }, 'no such file'],
    [
      'NUL in the password',
      { smtp_auth_plain_password: { from: 'inline', bytes: Buffer.from(`${CANARY}\0x`) } },
      'user and password cannot have a NUL',
    ],
  ] as const)('%s', async (_, path, why) => {
    expect((await failureOf({ path })).text).toBe(`AUTH PLAIN: ${why}`);
  });

  test('credentials that the server repeats are in no error', async () => {
    for (const said of [
      `535 5.7.8 bad: ${response}`,
      `535-user with ${CANARY}\n535 no`,
      `535 ${Buffer.from(CANARY).toString('base64')}`,
      `nonsense ${response}`,
      `999 ${CANARY}`,
    ]) {
      const { text } = await failureOf({ answers: except(offering, { AUTH: said }) });
      expect(text).toMatch(/^AUTH PLAIN/);
    }
  });

  test('silence ends after auth_timeout, without the credentials', async () => {
    const { text } = await failureOf(
      { answers: except(offering, { AUTH: 'silence' }), path: { auth_timeout: 7000 } },
      7000,
    );
    expect(text).toBe('AUTH PLAIN ***: Timed Out waiting 7s for response to AUTH PLAIN ***');
    const hangup = await failureOf({ answers: except(offering, { AUTH: 'hangup' }) });
    expect(hangup.text).toBe('AUTH PLAIN ***: no reply that is SMTP');
  });

  test('without a user there is none', async () => {
    const { server } = await connected({ answers: offering });
    expect(server.commands).toEqual(['EHLO client.example']);
  });
});
