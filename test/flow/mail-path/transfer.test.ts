import { expect, test } from 'vitest';
import type { TransferClient } from '../../../src/flow/delivery/index.ts';
import type { RebindRequest } from '../../../src/flow/scheduled-queue/index.ts';
import { type Message, packMessage, transferQueue } from '../../../src/model/index.ts';
import { type Handler, mailRooms, pathConfig, queueConfig, type Rooms } from '../../kit/mail-rooms.ts';
import { injectionOf, origin } from '../http-injection/kit.ts';

const SECOND = 1000;
const NODE = 'http://10.0.0.1:8000/';
const NEW_ID = 'b'.repeat(32);

type Sent = { message: string; meta: Message['meta']; target: string };

/** Another node, which answers as it is told. */
function otherNode() {
  const node = {
    sent: [] as Sent[],
    answer: async () => ({ kind: 'taken', id: NEW_ID }) as const,
    isOpen: true,
  };
  const transfers: Pick<TransferClient, 'send' | 'close'> = {
    send: async ({ recipients, meta }, target) => {
      node.sent.push({ message: recipients.join(), meta: structuredClone(meta), target });
      return (node.answer as () => ReturnType<TransferClient['send']>)();
    },
    close: () => {
      node.isOpen = false;
    },
  };
  return { node: node as { -readonly [K in keyof typeof node]: (typeof node)[K] }, transfers };
}

const failed = async () => ({ kind: 'failed', why: 'no answer' }) as const;

async function waiting(recipients: string[], handlers: Record<string, Handler> = {}) {
  const { node, transfers } = otherNode();
  const policy = { get_queue_config: () => queueConfig({ retry_interval: '30m' }), ...handlers };
  const rooms = mailRooms(policy, undefined, undefined, { transfers });
  rooms.peers.answer = (command) => (command.startsWith('RCPT') ? '451 later' : undefined);
  await rooms.receive(recipients);
  await rooms.clock.advance(SECOND);
  rooms.events.length = 0;
  return { rooms, node: node as { sent: Sent[]; answer: () => unknown; isOpen: boolean } };
}

function begin(rooms: Rooms, transfer: RebindRequest['transfer'], selector = {}) {
  const unused = { data: {}, triggerEvent: false, alwaysFlush: false, suppressLogging: false };
  return rooms.queues.rebind({ selector, reason: 'drain', transfer: transfer!, ...unused });
}

test('a message leaves the spool once the other node has it', async () => {
  const { rooms, node } = await waiting(['a@dest.example', 'b@dest.example']);
  const done = begin(rooms, { to: NODE });
  await rooms.clock.advance(SECOND);
  expect(await done).toEqual({ messages: 2, moved: 2 });
  expect(node.sent).toHaveLength(2);
  expect(node.sent[0]).toMatchObject({
    target: NODE,
    meta: {
      queue: transferQueue(NODE),
      xfer_queue_info: { queue: null, tenant: null, attempts: 1, due: expect.stringContaining('T') },
    },
  });
  expect(rooms.events.map(({ type }) => type).sort()).toEqual([
    'AdminRebind',
    'AdminRebind',
    'XferOut',
    'XferOut',
  ]);
  expect(rooms.events.find(({ type }) => type === 'XferOut')).toMatchObject({
    site: `unspecified->${transferQueue(NODE)}@xfer`,
    deliveryProtocol: 'xfer',
    response: { code: 250, content: `new id is ${NEW_ID}` },
  });
  expect(rooms.queues.size).toBe(0);
  expect(rooms.spool.content.size).toBe(0);
});

test('what the other node does not take stays, is tried again every minute at least, and can be taken back', async () => {
  const { rooms, node } = await waiting(['a@dest.example'], {
    get_queue_config: () => queueConfig({ retry_interval: '30m', max_age: '30 days' }),
  });
  node.answer = failed;
  await begin(rooms, { to: NODE });
  await rooms.clock.advance(15 * SECOND);
  expect(node.sent).toHaveLength(2);
  // No age at which it would expire: eight days.
  await rooms.clock.advance(8 * 24 * 3600 * SECOND);
  expect(rooms.queues.size).toBe(1);
  const before = node.sent.length;
  await rooms.clock.advance(70 * SECOND);
  expect(node.sent.length).toBeGreaterThan(before);
  const done = begin(rooms, 'cancel', { queue_names: [transferQueue(NODE)] });
  await rooms.clock.advance(2 * SECOND);
  expect(await done).toMatchObject({ moved: 1 });
  expect(rooms.queues.find('dest.example')?.size).toBe(1);
  expect(rooms.spool.content.size).toBe(1);
}, 60_000);

test('a message in hand when it is taken back comes after its attempt has failed', async () => {
  const { rooms, node } = await waiting(['a@dest.example']);
  let fail = (): void => {};
  node.answer = () =>
    new Promise((resolve) => {
      fail = () => resolve({ kind: 'failed', why: 'cut' });
    });
  await begin(rooms, { to: NODE });
  await rooms.clock.advance(SECOND);
  expect(node.sent).toHaveLength(1);
  const done = begin(rooms, 'cancel', { queue_names: [transferQueue(NODE)] });
  await rooms.clock.advance(5 * SECOND);
  fail();
  await rooms.clock.advance(5 * SECOND);
  expect(await done).toEqual({ messages: 1, moved: 1 });
  expect(rooms.queues.find('dest.example')?.size).toBe(1);
  expect(node.sent).toHaveLength(1);
});

test('messages that wait in a ready queue go too, and those whose attempt fails meanwhile', async () => {
  const { node, transfers } = otherNode();
  const policy = {
    get_queue_config: () => queueConfig({ retry_interval: '30m' }),
    get_egress_path_config: () => pathConfig({ connection_limit: 1 }),
  };
  const rooms = mailRooms(policy, undefined, undefined, { transfers });
  rooms.peers.answer = (command) => (command.startsWith('RCPT') ? 'silence' : undefined);
  await rooms.receive(['a@dest.example', 'b@dest.example', 'c@dest.example']);
  await rooms.clock.advance(SECOND);
  const done = begin(rooms, { to: NODE });
  await rooms.clock.advance(3 * SECOND);
  expect(node.sent.map(({ message }) => message).sort()).toEqual(['b@dest.example', 'c@dest.example']);
  rooms.peers.say('451 4.2.0 later');
  await rooms.clock.advance(3 * SECOND);
  expect(await done).toEqual({ messages: 3, moved: 3 });
  expect(node.sent).toHaveLength(3);
  expect(rooms.queues.size).toBe(0);
});

test('what is on its way to that node stays; to another it may be sent', async () => {
  const { rooms, node } = await waiting(['a@dest.example']);
  node.answer = failed;
  await begin(rooms, { to: NODE });
  await rooms.clock.advance(SECOND);
  expect(await begin(rooms, { to: NODE })).toEqual({ messages: 0, moved: 0 });
  node.answer = async () => ({ kind: 'taken', id: NEW_ID });
  const done = begin(rooms, { to: 'http://10.0.0.2/' });
  await rooms.clock.advance(2 * SECOND);
  expect(await done).toMatchObject({ moved: 1 });
  expect(node.sent.at(-1)).toMatchObject({
    target: 'http://10.0.0.2/',
    meta: { xfer_queue_info: { queue: null, attempts: 1 } },
  });
  expect(rooms.queues.size).toBe(0);
});

test('a broken log keeps no message from leaving once the other node has it', async () => {
  const { rooms, node } = await waiting(['a@dest.example']);
  const write = rooms.log.write;
  rooms.log.write = (event) => {
    if (event.type === 'XferOut') throw new Error('the disk is full');
    return write.call(rooms.log, event);
  };
  await begin(rooms, { to: NODE });
  await rooms.clock.advance(60 * SECOND);
  expect(node.sent).toHaveLength(1);
  expect(rooms.queues.size).toBe(0);
  expect(rooms.said.join()).toContain('the disk is full');
});

const prior = { xfer_prior_id: 'a'.repeat(32), xfer_prior_node: '00000000-0000-4000-8000-00000000000c' };
const ID = '7b1f0f4a5a5211f08000010203040506';

function parcel(meta: Message['meta'] = {}, more: object = {}): Buffer {
  const address = (email: string) => ({ email, toString: () => email });
  const message = {
    id: ID,
    sender: address('s@a.example'),
    recipients: [address('u@dest.example')],
    meta,
    ...more,
  } as unknown as Message;
  return packMessage(message, Buffer.from('Subject: x\r\n\r\nhi\r\n'), prior);
}

test('a message that comes is on disk, logged and queued as it was', async () => {
  const seen: unknown[] = [];
  const rooms = mailRooms({
    get_queue_config: () => queueConfig({}),
    xfer_message_received: ((message: Message, auth: unknown) => {
      seen.push(message.meta.xfer_from, auth);
      message.meta.tenant = 'here';
      return { kind: 'absent' };
    }) as unknown as Handler,
  });
  const due = new Date(rooms.clock.now() + 3600 * SECOND).toISOString();
  const meta = { queue: transferQueue(NODE), xfer_queue_info: { queue: null, attempts: 3, due } };
  const id = await injectionOf(rooms).receiveTransfer(parcel(meta), origin);
  expect(rooms.spool.content.size).toBe(1);
  expect(rooms.events.map(({ type }) => type)).toEqual(['XferIn', 'Delayed']);
  expect(rooms.events[0]).toMatchObject({
    queue: 'here@dest.example',
    attempts: 3,
    deliveryProtocol: 'xfer',
  });
  expect((rooms.events[0]!.subject as Message).id).toBe(id);
  expect((rooms.events[0]!.subject as Message).meta).toMatchObject({ ...prior, xfer_via: origin.via });
  expect(seen).toEqual([origin.peer, origin.auth]);
  const [kept] = [...rooms.spool.content.values()];
  expect(kept).toMatchObject({ progress: { attempts: 3, due: Date.parse(due) } });
});

test.each([
  ['that this node sent', { xfer_prior_node: '00000000-0000-4000-8000-00000000000b' }, 400, 'this very node'],
  ['whose queue cannot be told', { xfer_queue_info: { scheduling: { dow: 'Never' } } }, 400, 'what was kept'],
  ['whose metadata names no queue', { queue: 5 }, 500, 'string'],
])('one %s is refused, and nothing is kept', async (_, meta, statusCode, why) => {
  const rooms = mailRooms({ get_queue_config: () => queueConfig({}) });
  const address = { email: 'u@dest.example' };
  const label = { id: ID, sender: { email: '' }, recipients: [address], meta: {} } as unknown as Message;
  const work = injectionOf(rooms).receiveTransfer(
    packMessage(label, Buffer.from('x'), meta as never),
    origin,
  );
  await expect(work).rejects.toMatchObject({ statusCode, message: expect.stringContaining(why) });
  expect(rooms.spool.content.size).toBe(0);
  expect(rooms.events).toEqual([]);
});

test('a policy that fails or rejects, and a node that takes no mail, refuse it', async () => {
  for (const result of [
    { kind: 'error', message: 'init.lua:3: oh' },
    { kind: 'reject', code: 550, text: 'no' },
  ]) {
    const rooms = mailRooms({ xfer_message_received: (() => result) as Handler });
    const work = injectionOf(rooms).receiveTransfer(parcel(), origin);
    await expect(work).rejects.toMatchObject({ statusCode: 500 });
    expect(rooms.spool.content.size).toBe(0);
  }
  const rooms = mailRooms();
  const work = injectionOf(rooms, { refusal: () => 'shutting down' }).receiveTransfer(parcel(), origin);
  await expect(work).rejects.toMatchObject({ statusCode: 503, message: 'shutting down' });
});
