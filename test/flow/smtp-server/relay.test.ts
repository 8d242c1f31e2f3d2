import { expect, test } from 'vitest';
import { parseOptions } from '../../../src/model/define/index.ts';
import type { PolicyResult } from '../../../src/model/index.ts';
import { ListenerDomain, listenerDomainOptions } from '../../../src/model/options/index.ts';
import { EnvelopeAddress } from '../../../src/protocol/smtp/index.ts';
import { fails, rejects, returns, smtpSession } from '../../kit/smtp-session.ts';

const domain = (options: object): PolicyResult =>
  returns(new ListenerDomain(parseOptions(listenerDomainOptions, options)));
const address = (text: string): EnvelopeAddress => EnvelopeAddress.parse(text)!;

test('reception can ask again what the client may do; the session remembers the domains', async () => {
  const asked: unknown[] = [];
  const session = smtpSession({
    relays: false,
    policy: {
      get_listener_domain: (name, listener, meta) => {
        asked.push([name, listener, (meta as { get(name: string): unknown }).get('received_via')]);
        return name === 'Example.COM' ? domain({ log_oob: true, log_arf: 'LogThenDrop' }) : returns(null);
      },
    },
  });
  await session.expect('220');
  await session.mailFrom('a@sender.example');
  await session.rcptTo('b@Example.COM');
  await session.data('x\r\n');
  const { relayOf, meta } = session.received[0]!;
  const via = meta.get('received_via');
  // The domains as they were written, the sender's first (policy-api.md 1.5).
  expect(asked).toEqual([
    ['sender.example', via, via],
    ['Example.COM', via, via],
  ]);
  expect(await relayOf!(address('a@sender.example'), address('b@Example.COM'))).toEqual({
    relays: false,
    logArf: 'LogThenDrop',
    logOob: 'LogThenRelay',
  });
  expect(asked).toHaveLength(2);
  expect(await relayOf!(address('a@sender.example'), address('b@other.example'))).toEqual({
    relays: false,
    logArf: 'Ignore',
    logOob: 'Ignore',
  });
  expect(asked).toHaveLength(3);
});

test('without get_listener_domain there is nothing to ask again', async () => {
  const session = smtpSession();
  await session.envelope();
  await session.data('x\r\n');
  expect(session.received[0]!.relayOf).toBeUndefined();
});

test.each([
  ['an error', fails],
  ['a rejection, which is not honoured', rejects(550, 'no')],
  ['kumo.disconnect', rejects(550, 'no', 'ForceDisconnect')],
  ['something else than a listener domain', returns({ relay_to: true })],
])('%s is a failure also when asked again', async (_what, result) => {
  let answer: PolicyResult = returns(null);
  const session = smtpSession({ policy: { get_listener_domain: () => answer } });
  await session.envelope();
  await session.data('x\r\n');
  answer = result;
  const { relayOf } = session.received[0]!;
  expect(await relayOf!(address('a@b.example'), address('c@new.example'))).toBe('failed');
});
