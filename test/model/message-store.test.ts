import { expect, test } from 'vitest';
import { Message, MessageStore, QueuedMessage, Schedule } from '../../src/model/index.ts';
import { EnvelopeAddress } from '../../src/protocol/smtp/index.ts';
import { MemorySpool } from '../kit/memory-spool.ts';

function message(body = 'A: b\r\n\r\n'): Message {
  return new Message({
    id: 'ab'.repeat(16),
    sender: EnvelopeAddress.parse('a@x.example')!,
    recipients: [],
    meta: {},
    body: Buffer.from(body),
  });
}

const loadAgain = (store: MessageStore, kept: Message) =>
  store.load(new QueuedMessage(kept.entry!, undefined as never, kept.size, undefined));

test('a kept message lets go of its body and reads it again', async () => {
  const store = new MessageStore(new MemorySpool());
  const kept = message();
  expect(kept.shrink()).toBe(false);
  await store.keep(kept);
  expect(kept.shrink()).toBe(true);
  expect(kept.body).toBeUndefined();
  expect(kept.shrink()).toBe(false);
  expect(String(await kept.data())).toBe('A: b\r\n\r\n');
});

test('a body that the spool does not have stays in memory', async () => {
  const store = new MessageStore(new MemorySpool());
  const kept = message();
  await store.keep(kept);
  kept.setData(Buffer.from('changed'));
  expect(kept.shrink()).toBe(false);
  expect(String(kept.body)).toBe('changed');
});

test('metadata and schedule are saved, and the schedule can be taken away', async () => {
  const store = new MessageStore(new MemorySpool());
  const kept = message();
  kept.schedule = new Schedule({ expires: '2100-01-01T00:00:00Z' });
  await store.keep(kept);
  expect((await loadAgain(store, kept)).schedule?.expires).toBe(Date.UTC(2100, 0, 1));
  kept.schedule = undefined;
  kept.meta.tenant = 't';
  kept.dirty = true;
  await kept.keeper!.save(kept);
  const loaded = await loadAgain(store, kept);
  expect([loaded.schedule, loaded.meta.tenant, loaded.dirty]).toEqual([undefined, 't', false]);
});
