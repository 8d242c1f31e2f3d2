import { expect, test } from 'vitest';
import { Message } from '../../../src/model/index.ts';
import { EnvelopeAddress } from '../../../src/protocol/smtp/index.ts';
import { settle } from '../../kit/fake-clock.ts';
import { mailRooms, queueConfig, type Rooms } from '../../kit/mail-rooms.ts';

/** A message that carries a log record, as the room log-hooks makes it. */
function carrier(rooms: Rooms, queue: string): Message {
  return new Message({
    id: rooms.newMessageId(),
    sender: EnvelopeAddress.nullSender,
    recipients: [EnvelopeAddress.parse('rcpt@dest.example')!],
    meta: { queue, reception_protocol: 'LogRecord' },
    body: Buffer.from('{"type":"Delivery"}\n'),
  });
}

test('is in the spool before enqueue returns, and then on its way; no Reception is logged', async () => {
  const rooms = mailRooms();
  const queued = rooms.reception.enqueue(carrier(rooms, 'dest.example'), false);
  expect(rooms.spool.content.size).toBe(1);
  await queued;
  await rooms.clock.advance(1);
  expect(rooms.records()).toEqual(['Delivery 250']);
  expect(rooms.peers.bodies.map((body) => body.trimEnd())).toEqual(['{"type":"Delivery"}']);
  expect(rooms.spool.content.size).toBe(0);
});

test('whose queue policy cannot configure stays on disk and is tried again', async () => {
  let works = false;
  const rooms = mailRooms({
    get_queue_config: () => (works ? queueConfig({}) : { kind: 'error', message: 'no' }),
  });
  await rooms.reception.enqueue(carrier(rooms, 'dest.example'), false);
  await rooms.clock.advance(1000);
  expect(rooms.records()).toEqual(['TransientFailure 451']);
  expect(rooms.spool.content.size).toBe(1);
  works = true;
  await rooms.clock.advance(3_600_000);
  expect(rooms.records().at(-1)).toBe('Delivery 250');
});

test('with deferred_spool touches the disk only when its delivery fails', async () => {
  const rooms = mailRooms();
  let answer: string | undefined = '451 4.3.0 not now';
  rooms.peers.answer = (command) => (command === '.' ? answer : undefined);
  const queued = rooms.reception.enqueue(carrier(rooms, 'dest.example'), true);
  expect(rooms.spool.content.size).toBe(0);
  await queued;
  await rooms.clock.advance(1);
  expect([rooms.records(), rooms.spool.content.size]).toEqual([['TransientFailure 451'], 1]);
  answer = undefined;
  await rooms.clock.advance(3_600_000);
  expect(rooms.records().at(-1)).toBe('Delivery 250');
});

test('for the queue null is forgotten; one that the disk refuses, and one without a queue name, reject', async () => {
  const rooms = mailRooms();
  await rooms.reception.enqueue(carrier(rooms, 'null'), false);
  expect(rooms.spool.content.size).toBe(0);
  rooms.spool.failing = true;
  await expect(rooms.reception.enqueue(carrier(rooms, 'dest.example'), false)).rejects.toThrow(
    'the test says so',
  );
  const unnamed = carrier(rooms, 'dest.example');
  unnamed.meta.queue = 5;
  await expect(rooms.reception.enqueue(unnamed, false)).rejects.toThrow("expected 'queue' to be a string");
  await settle();
  expect(rooms.records()).toEqual([]);
});

test('a log that has too much pauses the queues', async () => {
  const rooms = mailRooms();
  let isStalled = true;
  Object.defineProperty(rooms.log, 'isStalled', { get: () => isStalled });
  await rooms.receive(['rcpt@dest.example']);
  await rooms.clock.advance(1000);
  expect(rooms.records()).toEqual(['Reception 250']);
  isStalled = false;
  await rooms.clock.advance(1000);
  expect(rooms.records()).toEqual(['Reception 250', 'Delivery 250']);
});
