import { describe, expect, test } from 'vitest';
import { Message, queueNameOf, redirectTo } from '../../src/model/index.ts';
import { EnvelopeAddress } from '../../src/protocol/smtp/index.ts';

const address = (text: string): EnvelopeAddress => EnvelopeAddress.parse(text)!;
const dev = address('Dev@Test.example');

function message(recipients: EnvelopeAddress[], meta: Message['meta'] = {}): Message {
  const body = Buffer.from('Subject: x\r\n\r\nhello\r\n');
  return new Message({ id: 'x', sender: address('a@b.example'), recipients, meta, body });
}

test('it is the only recipient; the headers say whom the message was for', async () => {
  const redirected = message([address('a@one.example'), address('"b c"@two.example')]);
  await redirectTo(dev, redirected);
  expect(redirected.recipients.map(String)).toEqual(['Dev@Test.example']);
  expect(String(redirected.body)).toBe(
    'X-Moonpost-Original-Recipient: a@one.example\r\n' +
      'X-Moonpost-Original-Recipient: "b c"@two.example\r\n' +
      'Subject: x\r\n\r\nhello\r\n',
  );
  expect(redirected.size).toBe(redirected.body!.length);
  expect(redirected.sender.email).toBe('a@b.example');
  const once = String(redirected.body);
  await redirectTo(dev, redirected);
  expect(String(redirected.body)).toBe(once);
});

test('what has line ends in it makes no header of its own', async () => {
  const forged = { email: 'a@x\r\nBcc: v@example\u0000', domain: 'x' } as EnvelopeAddress;
  const redirected = message([forged]);
  await redirectTo(dev, redirected);
  expect(String(redirected.body)).toContain('X-Moonpost-Original-Recipient: a@x??Bcc: v@example?\r\nSubject');
});

describe('the queue is one of the domain of that recipient', () => {
  test.each<[Message['meta'], string]>([
    [{}, 'test.example'],
    [{ tenant: 't', campaign: 'c' }, 'c:t@test.example'],
    [{ tenant: 't', routing_domain: 'gmail.com' }, 't@test.example'],
    [{ queue: 'gmail.com' }, 'test.example'],
    [{ queue: 'c:t@gmail.com!mx.example' }, 'c:t@test.example'],
    [{ queue: 'null' }, 'null'],
    [{ queue: 'deferred_smtp_inject.kumomta.internal' }, 'deferred_smtp_inject.kumomta.internal'],
  ])('%o', async (meta, expected) => {
    const redirected = message([address('a@gmail.com')], meta);
    await redirectTo(dev, redirected);
    expect(queueNameOf(redirected)).toBe(expected);
  });
});
