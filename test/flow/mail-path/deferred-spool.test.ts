import { expect, test } from 'vitest';
import { HoldingSpool } from '../../../src/model/holding-spool.ts';
import { mailRooms, type Rooms, transaction } from '../../kit/mail-rooms.ts';
import { MemorySpool } from '../../kit/memory-spool.ts';

async function deferred(rooms: Rooms): Promise<number> {
  const parts = transaction(rooms.clock, ['a@dest.example'], 'Subject: x\r\n\r\nhello\r\n');
  const listener = { ...parts.listener, deferred_spool: true };
  const { reply } = await rooms.reception.receive({ ...parts, listener });
  return reply.code;
}

test('a message that goes out at once is never on disk', async () => {
  const rooms = mailRooms();
  rooms.spool.failing = true;
  expect(await deferred(rooms)).toBe(250);
  expect(rooms.events[0]!.response.content).toContain('deferred_spool');
  await rooms.clock.advance(1000);
  expect(rooms.records()).toEqual(['Reception 250', 'Delivery 250']);
  expect(rooms.peers.bodies[0]).toContain('hello');
  expect(rooms.spool.content.size).toBe(0);
});

test('the first failure writes it, with its attempts, and delivery removes it', async () => {
  const rooms = mailRooms();
  rooms.peers.answer = (command) => (command.startsWith('MAIL') ? '451 later' : undefined);
  await deferred(rooms);
  expect(rooms.spool.content.size).toBe(0);
  await rooms.clock.advance(1000);
  const [kept] = rooms.spool.content.values();
  expect(String(kept!.body)).toContain('hello');
  expect(kept!.progress.attempts).toBe(1);
  rooms.peers.answer = () => undefined;
  await rooms.clock.advance(24 * 3_600_000);
  expect(rooms.records().at(-1)).toBe('Delivery 250');
  expect(rooms.spool.content.size).toBe(0);
});

test('without deferred_spool a message is on disk before the answer', async () => {
  const rooms = mailRooms();
  await rooms.receive(['a@dest.example']);
  expect(rooms.events[0]!.response.content).toBe('');
  expect(rooms.spool.content.size + rooms.peers.bodies.length).toBe(1);
});

const ENVELOPE = { sender: 'a@example.org', recipients: ['b@example.com'], meta: {} };

test('closing writes what is held; removed messages are not written', async () => {
  const disk = new MemorySpool();
  const spool = new HoldingSpool(disk);
  spool.hold('1', ENVELOPE, Buffer.from('one'));
  spool.remove(spool.hold('2', ENVELOPE, Buffer.from('two'))!);
  await spool.close();
  expect([...disk.content.keys()]).toEqual(['1']);
});

test('a message removed while it is being written does not stay', async () => {
  const disk = new MemorySpool();
  const spool = new HoldingSpool(disk);
  const entry = spool.hold('1', ENVELOPE, Buffer.from('one'))!;
  spool.saveProgress(entry, { attempts: 1, due: 5 });
  spool.remove(entry);
  await spool.flush();
  expect(disk.content.size).toBe(0);
});

test('what cannot be written stays in memory and is tried again', async () => {
  const disk = new MemorySpool();
  const spool = new HoldingSpool(disk);
  const entry = spool.hold('1', ENVELOPE, Buffer.from('one'))!;
  disk.failing = true;
  spool.saveProgress(entry, { attempts: 1, due: 5 });
  await expect(spool.flush()).rejects.toThrow('the test says so');
  expect(String(await spool.loadBody(entry))).toBe('one');
  expect((await spool.loadEnvelope(entry)).sender).toBe('a@example.org');
  disk.failing = false;
  await spool.updateEnvelope(entry, { ...ENVELOPE, sender: 'c@example.org' });
  expect((await spool.loadEnvelope(entry)).sender).toBe('c@example.org');
  expect(disk.content.size).toBe(1);
});

test('only so much is held', () => {
  const spool = new HoldingSpool(new MemorySpool());
  const body = Buffer.alloc(100 * 1024 * 1024);
  expect(spool.hold('1', ENVELOPE, body)).toBeDefined();
  const second = spool.hold('2', ENVELOPE, body)!;
  expect(spool.hold('3', ENVELOPE, body)).toBeUndefined();
  spool.remove(second);
  expect(spool.hold('4', ENVELOPE, body)).toBeDefined();
});
