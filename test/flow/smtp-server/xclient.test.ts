import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseXclient } from '../../../src/protocol/smtp/index.ts';
import { rejects, returns, smtpSession } from '../../kit/smtp-session.ts';

test.each([
  ['ADDR=192.0.2.1', { addr: '192.0.2.1' }],
  ['addr=IPV6:2001:db8::1 port=25', { addr: '2001:db8::1', port: 25 }],
  ['ADDR=2001+3Adb8+3A+3A1', { addr: '2001:db8::1' }],
  ['DESTADDR=10.0.0.1  DESTPORT=0 ADDR=[UNAVAILABLE]', { destaddr: '10.0.0.1', destport: 0 }],
  ['', undefined],
  ['ADDR=', undefined],
  ['ADDR=host.example', undefined],
  ['PORT=65536', undefined],
  ['PORT=-1', undefined],
  ['NAME=x', undefined],
  ['__proto__=1', undefined],
])('%s', (text, attributes) => expect(parseXclient(text)).toEqual(attributes));

test('any text is attributes or none', () => {
  fc.assert(fc.property(fc.string(), (text) => void parseXclient(text)));
  fc.assert(
    fc.property(fc.ipV4(), fc.nat(65_535), (addr, port) => {
      expect(parseXclient(`ADDR=${addr} PORT=${port}`)).toEqual({ addr, port });
    }),
  );
});

test('the session is that of the client, with its options, and keeps where it really came from', async () => {
  const seen: unknown[] = [];
  const session = smtpSession({
    options: {
      allow_xclient: true,
      peer: { '192.0.2.7': { banner: 'for clients', relay_hosts: ['192.0.2.7'] } },
    },
    policy: {
      smtp_server_get_dynamic_parameters: (listener) => {
        seen.push(listener);
        return returns({});
      },
    },
  });
  await session.expect('220 mx.test Moonpost');
  await session.ehlo();
  await session.command(
    'XCLIENT ADDR=192.0.2.7 PORT=4711 DESTADDR=198.51.100.1 DESTPORT=25',
    '220 mx.test for clients',
  );
  await session.mailFrom('a@example.org');
  await session.rcptTo('b@example.com');
  await session.data('x\r\n');
  expect(session.received[0]).toMatchObject({
    peer: { address: '192.0.2.7', port: 4711 },
    ehloDomain: undefined,
  });
  expect(session.received[0]!.meta.values).toMatchObject({
    received_from: '192.0.2.7:4711',
    received_via: '198.51.100.1:25',
    orig_received_from: '127.0.0.1:40001',
    orig_received_via: '127.0.0.1:2525',
  });
  expect(session.received[0]!.meta.get('ehlo_domain')).toBeUndefined();
  expect(seen).toEqual(['127.0.0.1:2525', '198.51.100.1:25']);
});

test('a refusal after XCLIENT is only said', async () => {
  let count = 0;
  const session = smtpSession({
    options: { allow_xclient: true },
    policy: {
      smtp_server_get_dynamic_parameters: () => (count++ === 0 ? returns({}) : rejects(550, '5.7.1 not him')),
    },
  });
  await session.expect('220');
  await session.command('XCLIENT ADDR=192.0.2.7', '550 5.7.1 not him');
  await session.command('NOOP', '250');
});
