import { expect, test } from 'vitest';
import {
  beginTransfer,
  createdAt,
  createMessageIds,
  endTransfer,
  Message,
  packMessage,
  parseTransferTarget,
  queueNameOf,
  retimedMessageId,
  Schedule,
  transferQueue,
  transferTarget,
  unpackMessage,
} from '../../src/model/index.ts';
import { EnvelopeAddress } from '../../src/protocol/smtp/index.ts';

const NODE = 'http://10.0.0.1:8000/';
const newId = createMessageIds({ now: () => 1_700_000_000_123, random: () => 0.25, shard: 3 });

function message(meta: Message['meta'] = {}): Message {
  return new Message({
    id: newId(),
    sender: EnvelopeAddress.parse('from@a.example')!,
    recipients: [EnvelopeAddress.parse('to@b.example')!],
    meta,
    body: Buffer.from('Subject: x\r\n\r\nhello\r\n'),
  });
}

test('a URL and its queue lead to each other', () => {
  expect(parseTransferTarget('http://10.0.0.1:8000')).toBe(NODE);
  expect(transferQueue(NODE)).toBe('http://10.0.0.1:8000/.xfer.kumomta.internal');
  expect(transferTarget(transferQueue(NODE))).toBe(NODE);
  expect(parseTransferTarget('https://node.example/behind')).toBe('https://node.example/behind/');
});

test.each([
  'ftp://node.example',
  'node.example:8000',
  '',
  'http://user:secret@node.example/',
  'http://node.example/?x=1',
  'http://node.example/#x',
  'http://node.example/a@b',
  'http://node.example/a!b',
])('%j is no target', (text) => expect(() => parseTransferTarget(text)).toThrow(/^target: /));

test.each([
  'd.example',
  'x.xfer.kumomta.internal',
  // What a stranger could make of a campaign, a tenant and a domain.
  'http://evil.example/@x.xfer.kumomta.internal',
  'http://evil.example/x!y.xfer.kumomta.internal',
  'http://10.0.0.1:8000.xfer.kumomta.internal',
])('%j is no queue to a node', (name) => expect(transferTarget(name)).toBeUndefined());

test('a message comes back from its way as it was', () => {
  const one = message({ tenant: 'blue', campaign: 'c', queue: 'special' });
  one.schedule = new Schedule({ first_attempt: '2030-01-01T00:00:00Z' });
  one.attempts = 4;
  one.due = 1_800_000_000_500;
  beginTransfer(one, NODE);
  expect(queueNameOf(one)).toBe(transferQueue(NODE));
  expect({ ...one }).toMatchObject({ attempts: 0, due: 0, schedule: undefined, dirty: true });
  // Another target, before the first was reached, does not forget what was before both.
  one.attempts = 2;
  beginTransfer(one, 'http://other.example/');
  endTransfer(one);
  expect(one.meta).toEqual({ tenant: 'blue', campaign: 'c', queue: 'special' });
  expect(one.schedule?.written).toEqual({ first_attempt: '2030-01-01T00:00:00Z' });
  expect([one.attempts, one.due]).toEqual([4, 1_800_000_000_500]);

  const plain = message();
  beginTransfer(plain, NODE);
  endTransfer(plain);
  expect(plain.meta).toEqual({});
  expect([plain.attempts, plain.due, queueNameOf(plain)]).toEqual([0, 0, 'b.example']);
});

test('one that only its metadata put on its way is named by its recipient again', () => {
  const one = message({ queue: transferQueue(NODE) });
  endTransfer(one);
  expect(queueNameOf(one)).toBe('b.example');
});

test('what was kept and is broken is an error, and the message is not half restored', () => {
  const one = message({ queue: transferQueue(NODE), xfer_queue_info: { scheduling: { dow: 'Never' } } });
  expect(() => endTransfer(one)).toThrow('Never');
  expect(one.meta.queue).toBe(transferQueue(NODE));
});

test('a parcel brings the message, with an id of its own and the time of the old one', () => {
  const one = message({ tenant: 'blue', ['__proto__']: 'x' });
  one.schedule = new Schedule({ expires: '2030-01-01T00:00:00Z' });
  const body = Buffer.from([1, 10, 0, 255]);
  const parcel = packMessage(one, body, { xfer_prior_id: one.id });
  const there = unpackMessage(parcel, (id) => retimedMessageId(id, { random: () => 0.5, shard: 7 }));
  expect(there.id).not.toBe(one.id);
  expect(createdAt(there.id)).toBe(createdAt(one.id));
  expect([there.sender.email, there.recipients[0]!.email]).toEqual(['from@a.example', 'to@b.example']);
  expect(there.meta).toMatchObject({ tenant: 'blue', xfer_prior_id: one.id });
  expect(there.body).toEqual(body);
  expect(there.schedule?.written).toEqual({ expires: '2030-01-01T00:00:00Z' });
});

test('what was cut, or is no parcel, is refused', () => {
  const parcel = packMessage(message(), Buffer.from('hello'), {});
  for (let length = 0; length < parcel.length; length++) {
    expect(() => unpackMessage(parcel.subarray(0, length), (id) => id)).toThrow(/no parcel|bytes came/);
  }
  const label = (changes: object): Buffer =>
    Buffer.from(
      `${JSON.stringify({ ...JSON.parse(String(parcel).split('\n')[0]!), size: 0, ...changes })}\n`,
    );
  const refused = (changes: object): string => {
    try {
      unpackMessage(label(changes), (id) => id);
      return 'taken';
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(refused({})).toBe('taken');
  expect(refused({ format: 'x' })).toContain('no parcel');
  expect(refused({ id: 'x' })).toContain('id');
  expect(refused({ id: '0'.repeat(32) })).toContain('version 1');
  expect(refused({ sender: 5 })).toContain('address');
  expect(refused({ recipients: [] })).toContain('recipients');
  expect(refused({ recipients: ['a b@c'] })).toContain('address');
  expect(refused({ meta: [] })).toContain('metadata');
  expect(refused({ scheduling: { dow: 'Never' } })).toContain('Never');
});
