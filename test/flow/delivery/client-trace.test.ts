import { expect, test } from 'vitest';
import { ClientTrace } from '../../../src/flow/delivery/index.ts';
import { KeptTrace } from '../../kit/kept-trace.ts';
import { testSecurity } from '../../kit/peer-security.ts';
import {
  accepting,
  type ConversationOptions,
  converse,
  everything,
  except,
  message,
  settle,
} from './scripted-server.ts';

const MARK = 'M4rker-Pässword';
const response = Buffer.from(`\0user\0${MARK}`).toString('base64');
const candidate = { name: 'mx.example', address: '192.0.2.1', port: 25 };
const facts = {
  pool: 'pool',
  source: 'source',
  readyQueue: 'source->mx.example@smtp_client',
  plan: [candidate, { name: 'mx2.example', address: '192.0.2.2', isProved: true as const }],
};

function traced(options: ConversationOptions = {}) {
  const kept = new KeptTrace();
  const trace = new ClientTrace(kept, facts, candidate);
  return { kept, trace, ...converse({ ...options, trace }) };
}

const parts = { domain: 'example.org', tenant: 't', campaign: undefined, routingDomain: undefined };

test('a session with two messages', async () => {
  const { kept, trace, connecting } = traced();
  const session = await connecting;
  expect(session.id).toBe(trace.id);
  for (const id of ['one', 'two']) {
    await session.attempt({
      ...message(['b@example.org', 'c@example.org']),
      id,
      home: { name: 't@example.org', parts },
    });
  }
  await session.quit();
  await settle();
  const envelope =
    'MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n';
  expect(kept.told.filter((text) => !text.startsWith('->'))).toEqual([
    'BeginSession',
    'Connected',
    '<- EHLO client.example\r\n',
    'MessageObtained',
    `<- ${envelope}`,
    '<- Subject: hi\r\n\r\nhello\r\n.\r\n',
    'MessageObtained',
    `<- RSET\r\n${envelope}`,
    '<- Subject: hi\r\n\r\nhello\r\n.\r\n',
    '<- QUIT\r\n',
    'Closed',
  ]);
  expect(kept.told[2]).toBe('-> 220 mx.example ESMTP\r\n');
  expect(kept.told.at(-2)).toBe('-> 221 2.0.0 bye\r\n');
  expect(kept.metas[0]).toEqual({
    id: trace.id,
    egress_pool: 'pool',
    egress_source: 'source',
    ready_queue_name: 'source->mx.example@smtp_client',
    mx_plan: [
      { name: 'mx.example', addr: '192.0.2.1' },
      { name: 'mx2.example', addr: '192.0.2.2', is_secure: true },
    ],
  });
  expect(kept.metas.at(-1)).toMatchObject({
    mx_host: 'mx.example',
    mx_address: '192.0.2.1',
    source_address: expect.stringMatching(/:\d+$/),
    message_id: 'two',
    sender: 'a@example.org',
    recipient: ['b@example.org', 'c@example.org'],
    queue_name: 't@example.org',
    domain: 'example.org',
    tenant: 't',
  });
  expect(kept.metas.at(-1)).not.toHaveProperty('campaign');
});

test('a long message comes in pieces of whole lines', async () => {
  const { kept, connecting } = traced();
  const session = await connecting;
  const body = `${'x'.repeat(1000)}\r\n`.repeat(200);
  await session.attempt({ ...message(['b@example.org'], body), id: 'one', home: { name: 'q', parts } });
  const pieces = kept.told.filter((text) => text.startsWith('<- xxx')).map((text) => text.slice(3));
  expect(pieces.length).toBeGreaterThan(2);
  expect(pieces.join('')).toBe(`${body}.\r\n`);
  for (const piece of pieces) expect(piece).toMatch(/\r\n$/);
});

const tls = { cipher: 'C', protocolVersion: 'TLSv1.3', peerSubjectName: ['mx.example'], verified: true };
const offering = accepting('AUTH PLAIN', 'STARTTLS');
const credentials = {
  enable_tls: 'OpportunisticInsecure',
  smtp_auth_plain_username: 'user',
  smtp_auth_plain_password: { from: 'inline', bytes: Buffer.from(MARK) },
} as const;

test.each([
  ['at once', except(offering, { AUTH: `235 2.7.0 welcome ${MARK}` })],
  ['when asked', except(offering, { AUTH: '334 ', [response]: '235 2.7.0 welcome' })],
  ['refused, and repeated', except(offering, { AUTH: `535 5.7.8 ${response} and ${MARK}` })],
  [
    'repeated later',
    except(offering, { AUTH: '235 ok', MAIL: `550 ${Buffer.from(MARK).toString('base64')}` }),
  ],
])('AUTH PLAIN %s: no credential is told', async (_, answers) => {
  const { kept, connecting } = traced({ answers, path: credentials, secure: async () => tls });
  const session = await connecting.catch(() => undefined);
  await session?.attempt({ ...message(), id: 'one', home: { name: 'q', parts } });
  await settle();
  expect(kept.told).toContain('<- AUTH PLAIN ***\r\n');
  expect(kept.text).toContain('STARTTLS handshake -> TLSv1.3 C, authenticated: true, resumed: false');
  for (const secret of [MARK, response, Buffer.from(MARK).toString('base64')])
    expect(kept.text).not.toContain(secret);
});

test('why there is no session, what DANE asks, and that TLS is left out', async () => {
  const refused = traced({ banner: '554 5.7.1 go away' });
  await expect(refused.connecting).rejects.toThrow('go away');
  await settle();
  expect(refused.kept.text).toContain(
    '"level":"ERROR","message":"mx.example/192.0.2.1:25: banner: 554 5.7.1 go away"',
  );
  expect(refused.kept.told.filter((text) => text === 'Closed')).toHaveLength(1);

  const dane = { by: 'dane', mode: 'Required', tlsa: [] } as const;
  const asked = traced({ candidate: { tls: { ...dane, failure: 'no TLSA could be had' } } });
  await expect(asked.connecting).rejects.toThrow();
  expect(asked.kept.told).toEqual([
    'BeginSession',
    expect.stringContaining('no TLSA could be had'),
    'Closed',
  ]);
  const required = traced({ candidate: { tls: dane } });
  await expect(required.connecting).rejects.toThrow('DANE requires TLS');
  expect(required.kept.text).toContain('DANE: TLS is Required, TLSA records: 0');

  const broken = traced({
    answers: offering,
    path: { enable_tls: 'OpportunisticInsecure' },
    secure: () => Promise.reject(new Error('handshake failure')),
    security: testSecurity({}),
  });
  await (await broken.connecting).quit();
  expect(broken.kept.text).toContain('in clear text, because TLS does not work: ');
  const units = broken.kept.payloads.filter((payload) => typeof payload === 'string');
  expect(units).toEqual(['BeginSession', 'Connected', 'Closed', 'Connected', 'Closed']);
});

test('while nobody watches nothing is told, and no message is kept', async () => {
  const kept = new KeptTrace();
  kept.isWatched = false;
  const trace = new ClientTrace(kept, facts, candidate);
  const session = await converse({ trace, answers: everything }).connecting;
  await session.attempt({ ...message(), id: 'one', home: { name: 'q', parts } });
  expect(kept.payloads).toEqual([]);
  kept.isWatched = true;
  await session.quit();
  expect(kept.told[0]).toBe('<- QUIT\r\n');
  expect(kept.metas[0]).not.toHaveProperty('message_id');
});

test('what a peer says after the end, as to a QUIT that nobody waits for, begins nothing anew', async () => {
  const { kept, trace, connecting } = traced();
  await connecting;
  trace.closed();
  trace.read(Buffer.from('221 Bye\r\n'));
  expect(kept.told.at(-1)).toBe('Closed');
});
