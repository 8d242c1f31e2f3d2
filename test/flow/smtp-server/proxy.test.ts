import { expect, test } from 'vitest';
import { rejects, returns, smtpSession } from '../../kit/smtp-session.ts';

const LINE = 'PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n';
const BINARY = Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000207c633640112670019', 'hex');
const options = { require_proxy_protocol: true, relay_hosts: ['192.0.2.7'] };

test.each([
  ['version 1', Buffer.from(LINE)],
  ['version 2', BINARY],
])('%s, in one piece with commands or octet by octet', async (_version, header) => {
  for (const isWhole of [true, false]) {
    const session = smtpSession({ options });
    await session.send('');
    expect(session.line()).toBeUndefined();
    if (isWhole) await session.send(Buffer.concat([header, Buffer.from('EHLO client.example\r\n')]));
    else {
      for (const octet of header) await session.send(Buffer.from([octet]));
      await session.send('EHLO client.example\r\n');
    }
    await session.expect('220 mx.test');
    await session.expect('250-mx.test Hello client.example');
    await session.mailFrom('a@example.org');
    await session.rcptTo('b@example.com');
    await session.data('x\r\n');
    expect(session.received[0]).toMatchObject({
      peer: { address: '192.0.2.7', port: 4711 },
      local: { address: '198.51.100.1', port: 25 },
    });
    expect(session.received[0]!.meta.values).toMatchObject({
      received_from: '192.0.2.7:4711',
      received_via: '198.51.100.1:25',
      orig_received_from: '127.0.0.1:40001',
      orig_received_via: '127.0.0.1:2525',
    });
  }
});

test('the proxy speaks for itself: its own address counts', async () => {
  const session = smtpSession({ options });
  await session.send('PROXY UNKNOWN\r\n');
  await session.expect('220');
  await session.mailFrom('a@example.org');
  await session.rcptTo('b@example.com', '550 5.7.1 relaying not permitted for 127.0.0.1:40001');
});

test.each(['EHLO client.example\r\n', 'PROXY TCP4 x\r\n', '\r\n\r\n\0\r\nQUIT\n\xff\xff\xff\xff'])(
  'without a header the connection is dropped in silence: %j',
  async (octets) => {
    const session = smtpSession({ options });
    await session.send(Buffer.from(octets, 'latin1'));
    expect(session.line()).toBeUndefined();
    expect(session.closed).toBe(true);
    expect(session.test.rejections).toEqual([]);
    expect(session.test.server.connectionCount).toBe(0);
  },
);

test('who dribbles or says nothing has client_timeout for the whole header', async () => {
  const session = smtpSession({ options });
  await session.send('PROXY ');
  await session.advance(40_000);
  await session.send('TCP4 ');
  expect(session.closed).toBe(false);
  await session.advance(20_001);
  expect(session.closed).toBe(true);
  expect(session.line()).toBeUndefined();
});

test('the options of the client hold, and policy is asked for the proxy and for the client', async () => {
  const seen: unknown[] = [];
  const session = smtpSession({
    options: { ...options, peer: { '192.0.2.0/24': { banner: 'for clients' } } },
    policy: {
      smtp_server_get_dynamic_parameters: (listener) => {
        seen.push(listener);
        return returns({});
      },
      smtp_server_connection_accepted: () => {
        seen.push('accepted');
        return undefined;
      },
    },
  });
  await session.send(LINE);
  await session.expect('220 mx.test for clients');
  expect(seen).toEqual(['127.0.0.1:2525', '198.51.100.1:25', 'accepted']);
});

test('a rejection of the client closes', async () => {
  const session = smtpSession({
    options,
    policy: {
      smtp_server_get_dynamic_parameters: (listener) =>
        listener === '198.51.100.1:25' ? rejects(550, '5.7.1 not him') : returns({}),
    },
  });
  await session.send(LINE);
  await session.expect('550 5.7.1 not him');
  expect(session.closed).toBe(true);
});

test('a peer block asks for the header where the listener does not', async () => {
  const peer = { '127.0.0.1': { require_proxy_protocol: true } };
  const session = smtpSession({ options: { peer } });
  await session.send(LINE);
  await session.expect('220');
});
