import { expect, test } from 'vitest';
import type { ConnectionMeta } from '../../../src/model/index.ts';
import {
  fails,
  rejects,
  returns,
  smtpSession,
  type TestClient,
  type TestHandler,
} from '../../kit/smtp-session.ts';

const EVENT = 'smtp_server_auth_plain';
const encode = (...parts: string[]): string => Buffer.from(parts.join('\0')).toString('base64');

async function encrypted(handler?: TestHandler): Promise<TestClient> {
  const session = smtpSession({ offersTls: true, policy: handler === undefined ? {} : { [EVENT]: handler } });
  await session.expect('220');
  await session.command('STARTTLS', '220 2.0.0');
  await session.ehlo();
  return session;
}

async function metaAfter(session: TestClient): Promise<ConnectionMeta> {
  await session.mailFrom('sender@example.org');
  await session.rcptTo('recipient@example.com');
  await session.data('x\r\n');
  return session.received[0]!.meta;
}

test('policy gets both names and the password; an empty authorization is the account', async () => {
  const seen: unknown[][] = [];
  const session = await encrypted((...args) => {
    seen.push(args.slice(0, 3));
    return returns(seen.length === 3);
  });
  await session.command(`AUTH PLAIN ${encode('boss', 'jörg', 'pa ss')}`, '535 5.7.8 AUTH invalid');
  await session.command('AUTH LOGIN', '334 VXNlcm5hbWU6');
  await session.command(encode('jörg'), '334 UGFzc3dvcmQ6');
  await session.command(encode('pa ss'), '535');
  await session.command(`AUTH PLAIN ${encode('', 'jörg', 'pa ss')}`, '235');
  expect(seen).toEqual([
    ['boss', 'jörg', 'pa ss'],
    ['jörg', 'jörg', 'pa ss'],
    ['jörg', 'jörg', 'pa ss'],
  ]);
});

test('success is in metadata, identities and what reception gets', async () => {
  const session = await encrypted(() => returns(true));
  await session.command(`AUTH PLAIN ${encode('boss', 'scott', 'tiger')}`, '235');
  const meta = await metaAfter(session);
  expect(meta.values).toMatchObject({
    authn_id: 'scott',
    authz_id: 'boss',
    reception_protocol: 'ESMTP',
    tls_cipher: 'TLS13_AES_256_GCM_SHA384',
    tls_protocol_version: 'TLSv1_3',
  });
  expect(meta.identities).toEqual([
    { identity: 'scott', context: 'SmtpAuthPlainAuthentication' },
    { identity: 'boss', context: 'SmtpAuthPlainAuthorization' },
  ]);
  expect(session.received[0]).toMatchObject({ isAuthenticated: true, tls: { protocolVersion: 'TLSv1_3' } });
});

test('a table says who it is', async () => {
  const identities = [{ identity: 'key 7', context: 'GenericAuth' }];
  const session = await encrypted(() => returns({ identities, groups: ['staff'] }));
  await session.command(`AUTH PLAIN ${encode('', 'scott', 'tiger')}`, '235');
  const meta = await metaAfter(session);
  expect(meta.values).toMatchObject({ authn_id: 'key 7', authz_id: 'key 7' });
  expect(meta.identities).toEqual(identities);
  expect(meta.groups).toEqual(['staff']);
});

test.each([[undefined], ['yes'], [1], [{}], [{ identities: [] }], [{ identities: ['scott'] }]])(
  'a return of %j lets nobody in',
  async (value) => {
    const session = await encrypted(() => returns(value));
    await session.command(`AUTH PLAIN ${encode('', 'scott', 'tiger')}`, '421 4.3.0');
    expect(session.closed).toBe(true);
    expect(session.test.complaints[0]).toContain(EVENT);
  },
);

test('without a handler nobody gets in', async () => {
  const session = await encrypted();
  await session.command(`AUTH PLAIN ${encode('', 'scott', 'tiger')}`, '535 5.7.8 AUTH invalid');
});

test('a rejection is said and the session goes on; an error closes', async () => {
  const session = await encrypted(() => rejects(454, '4.7.0 later'));
  await session.command(`AUTH PLAIN ${encode('', 'scott', 'tiger')}`, '454 4.7.0 later');
  await session.command('NOOP', '250');
  const other = await encrypted(() => fails);
  await other.command(`AUTH PLAIN ${encode('', 'scott', 'tiger')}`, '421 4.3.0');
  expect(other.closed).toBe(true);
});

test('guessing gets slower from failure to failure, for every connection of the address', async () => {
  let asked = 0;
  const session = await encrypted((_authz, _authc, password) => {
    asked += 1;
    return returns(password === 'right');
  });
  const wrong = `AUTH PLAIN ${encode('', 'scott', 'wrong')}`;
  for (let count = 0; count < 3; count++) await session.command(wrong, '535');
  const right = `AUTH PLAIN ${encode('', 'scott', 'right')}`;
  await session.command(right, '454 4.7.0');
  const other = session.test.connect();
  await other.expect('220');
  await other.command('STARTTLS', '220');
  await other.command(right, '454 4.7.0');
  expect(asked).toBe(3);
  await session.advance(1001);
  await session.command(wrong, '535');
  await session.advance(1001);
  await session.command(right, '454');
  await session.advance(1001);
  await session.command(right, '235');
  await other.command(wrong, '535');
});

test('no octet of a password is in records, complaints or rewritten replies', async () => {
  const told: unknown[] = [];
  const session = smtpSession({
    offersTls: true,
    policy: {
      [EVENT]: () => returns(false),
      smtp_server_rewrite_response: (...args) => {
        told.push(args.slice(0, 3));
        return undefined;
      },
    },
  });
  const secret = encode('', 'scott', 'canary');
  await session.expect('220');
  await session.command('STARTTLS', '220');
  await session.command(`AUTH PLAIN ${secret}`, '535');
  await session.command('AUTH PLAIN', '334');
  await session.command(secret, '535');
  await session.command(` AUTH PLAIN ${secret}`, '502');
  const texts = JSON.stringify([
    told,
    session.test.rejections.map(({ reply }) => reply),
    session.test.complaints,
  ]);
  expect(texts).not.toContain(secret);
  expect(texts).toContain('AUTH PLAIN ***');
});
