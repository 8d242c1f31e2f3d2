import { expect, test } from 'vitest';
import { dispositionOf } from '../../../src/flow/reception/disposition.ts';
import { Message } from '../../../src/model/index.ts';
import { EnvelopeAddress } from '../../../src/protocol/smtp/index.ts';

const message = (...recipients: string[]): Message =>
  new Message({
    id: 'id1',
    sender: EnvelopeAddress.parse('s@example.org')!,
    recipients: recipients.map((text) => EnvelopeAddress.parse(text)!),
    meta: { tenant: 't' },
    body: Buffer.from('x'),
  });

test('a message that is relayed, whoever may say so', () => {
  const told = dispositionOf(message('a@dest.test'), 't@dest.test', { verdict: 'relay' });
  expect(told).toEqual({
    relay: true,
    log_arf: 'Ignore',
    log_oob: 'Ignore',
    queue: 't@dest.test',
    meta: { tenant: 't' },
    sender: 's@example.org',
    recipient: 'a@dest.test',
    id: 'id1',
    was_arf_or_oob: false,
    will_enqueue: true,
  });
});

test('several recipients, a report that is logged and dropped, and what goes nowhere', () => {
  const facts = { relays: false, logArf: 'Ignore', logOob: 'LogThenDrop' } as const;
  const bounces = { per_recipient: [] } as never;
  const report = dispositionOf(message('a@dest.test', 'b@dest.test'), 'dest.test', {
    verdict: 'drop',
    bounces,
    facts,
  });
  expect(report).toMatchObject({
    relay: false,
    log_oob: 'LogThenDrop',
    recipient: ['a@dest.test', 'b@dest.test'],
    was_arf_or_oob: true,
    will_enqueue: false,
  });
  expect(dispositionOf(message('a@dest.test'), 'null', { verdict: 'relay' }).will_enqueue).toBe(false);
  const refused = dispositionOf(message('a@dest.test'), undefined, { verdict: 'refuse', facts });
  expect(refused).toMatchObject({ queue: '', relay: false, will_enqueue: false, was_arf_or_oob: false });
});
