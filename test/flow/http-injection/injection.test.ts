import { describe, expect, test } from 'vitest';
import { type Injection, InjectionRefused } from '../../../src/flow/http-injection/index.ts';
import type { Message } from '../../../src/model/index.ts';
import type { FakeClock } from '../../kit/fake-clock.ts';
import { type Handler, mailRooms, queueConfig, type Rooms } from '../../kit/mail-rooms.ts';
import type { MemorySpoolContent } from '../../kit/memory-spool.ts';
import { injectionOf, origin, request } from './kit.ts';

const SECOND = 1000;
const EVENT = 'http_message_generated';

/** Resolves with what `work` came to; time goes on until it has come. */
async function inTime<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  done.catch(() => {});
  for (let step = 0; !isDone && step < 10_000; step++) await clock.advance(1);
  return done;
}

const seen = (handler: (message: Message, auth: unknown) => unknown): Record<string, Handler> => ({
  [EVENT]: ((message: Message, auth: unknown) => {
    const result = handler(message, auth);
    return result ?? { kind: 'absent' };
  }) as unknown as Handler,
});

/** Rooms whose requests with deferred_generation are generated. */
function generatingRooms(
  handlers: Record<string, Handler> = {},
  spooled?: MemorySpoolContent,
): Rooms & { injection: Injection } {
  let injection: Injection | undefined;
  const rooms = mailRooms(handlers, spooled, undefined, {
    generate: (message) => injection!.generate(message),
  });
  injection = injectionOf(rooms);
  return Object.assign(rooms, { injection });
}

async function status(work: Promise<unknown>): Promise<number> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof InjectionRefused) return error.statusCode;
  throw error ?? new Error('it was not refused');
}

describe('a request', () => {
  test('is kept before it is answered, with its metadata and records', async () => {
    const auths: unknown[] = [];
    const rooms = mailRooms(seen((_, auth) => void auths.push(auth)));
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const store = rooms.spool.store.bind(rooms.spool);
    let stored = 0;
    rooms.spool.store = async (...message) => {
      await gate;
      stored++;
      return store(...message);
    };
    const recipients = [{ email: 'a@dest.example', metadata: { k: [1, null] } }, { email: 'b@dest.example' }];
    let answered = false;
    const work = injectionOf(rooms)
      .post(request({ recipients }), origin)
      .finally(() => {
        answered = true;
      });
    await rooms.clock.advance(SECOND);
    expect(answered).toBe(false);
    open();
    const answer = await inTime(rooms.clock, work);
    expect(answer).toEqual({ success_count: 2, fail_count: 0, failed_recipients: [], errors: [] });
    expect(stored).toBe(2);
    expect(auths).toEqual([origin.auth, origin.auth]);
    const [first, second] = rooms.events.filter(({ type }) => type === 'Reception');
    expect(first).toMatchObject({
      queue: 'dest.example',
      peer: { name: '', addr: '198.51.100.7' },
      site: '',
    });
    const meta = {
      http_auth: '198.51.100.7',
      reception_protocol: 'HTTP',
      received_from: '198.51.100.7',
      received_via: '192.0.2.9',
      hostname: 'mta.example',
    };
    expect((first!.subject as Message).meta).toEqual({ ...meta, extra: { k: [1, null] } });
    expect((second!.subject as Message).meta).toEqual(meta);
  });

  test('tells who failed, in their order, and the others go on', async () => {
    const rooms = mailRooms(
      seen((message) => {
        const user = message.recipients[0]!.user;
        if (user === 'rejected') return { kind: 'reject', code: 550, text: 'no', disconnect: 'If421' };
        return user === 'broken' ? { kind: 'error', message: 'init.lua:3: boom' } : undefined;
      }),
    );
    const users = ['broken@x.example', 'ok@x.example', 'no address', 'rejected@x.example'];
    const recipients = users.map((email) => ({ email }));
    const answer = await inTime(rooms.clock, injectionOf(rooms).post(request({ recipients }), origin));
    expect(answer).toEqual({
      success_count: 1,
      fail_count: 3,
      failed_recipients: ['broken@x.example', 'no address', 'rejected@x.example'],
      errors: [
        'broken@x.example: init.lua:3: boom',
        'no address: it is no mail address',
        'rejected@x.example: 550 no',
      ],
    });
    expect(rooms.spool.content.size).toBe(1);
  });

  test('a disk that takes nothing fails its recipients, and nothing stays', async () => {
    const rooms = mailRooms();
    rooms.spool.failing = true;
    const answer = await inTime(rooms.clock, injectionOf(rooms).post(request(), origin));
    expect(answer).toMatchObject({ success_count: 0, fail_count: 1 });
    expect(rooms.events).toEqual([]);
  });

  test('a queue that policy cannot configure fails its recipient', async () => {
    const rooms = mailRooms({ get_queue_config: () => ({ kind: 'error', message: 'init.lua:9: boom' }) });
    const answer = await inTime(rooms.clock, injectionOf(rooms).post(request(), origin));
    expect(answer).toMatchObject({ success_count: 0, fail_count: 1 });
    expect(rooms.spool.content.size).toBe(0);
  });

  test('the queue null takes everything and keeps nothing', async () => {
    const rooms = mailRooms(
      seen((message) => {
        message.meta.queue = 'null';
        return undefined;
      }),
    );
    const answer = await inTime(rooms.clock, injectionOf(rooms).post(request(), origin));
    expect(answer.success_count).toBe(1);
    expect(rooms.events).toEqual([]);
    expect(rooms.spool.content.size).toBe(0);
  });

  test('deferred_spool is visible in the record, and writes nothing', async () => {
    const rooms = mailRooms();
    const work = injectionOf(rooms).post(request({ deferred_spool: true }), origin);
    expect((await inTime(rooms.clock, work)).success_count).toBe(1);
    expect(rooms.events[0]!.response.content).toBe('deferred_spool: not on disk yet');
  });

  test('a thousand recipients get a message each, with values of their own', async () => {
    const rooms = mailRooms();
    const texts: string[] = [];
    const recipients = Array.from({ length: 1000 }, (_, number) => ({
      email: `r${number}@dest.example`,
      substitutions: { number },
    }));
    const injection = injectionOf(rooms, {
      take: async (message) => void texts.push(String(message.body)),
    });
    const content = { text_body: 'number {{ number }}.' };
    const answer = await inTime(rooms.clock, injection.post(request({ recipients, content }), origin));
    expect(answer.success_count).toBe(1000);
    expect(texts.filter((text, number) => text.includes(`number ${number}.`)).length).toBe(1000);
  });

  test('no more messages are under way at a time than memory has room for', async () => {
    const rooms = mailRooms();
    const waiting: (() => void)[] = [];
    let most = 0;
    const injection = injectionOf(rooms, {
      take: () =>
        new Promise((resolve) => {
          waiting.push(resolve);
          most = Math.max(most, waiting.length);
          rooms.clock.after(1, () => waiting.shift()!());
        }),
    });
    const recipients = Array.from({ length: 300 }, (_, number) => ({ email: `r${number}@dest.example` }));
    await inTime(rooms.clock, injection.post(request({ recipients }), origin));
    expect(most).toBe(64);
    most = 0;
    const content = `Subject: x\n\n${'x'.repeat(70)}\n`.padEnd(3_000_000, `${'y'.repeat(70)}\n`);
    await inTime(rooms.clock, injection.post(request({ recipients, content }), origin));
    expect(most).toBeLessThanOrEqual(3);
  });

  test.each(['shutting down', 'load shedding', 'disk is too full', 'waiting for spool startup'])(
    'is refused with 503 for: %s',
    async (why) => {
      const rooms = mailRooms();
      const injection = injectionOf(rooms, { refusal: () => why });
      await expect(injection.post(request(), origin)).rejects.toThrow(why);
      expect(await status(injection.post(request(), origin))).toBe(503);
      expect(await status(injection.inject(request(), origin))).toBe(503);
      expect(rooms.spool.content.size).toBe(0);
    },
  );
});

describe('trace headers', () => {
  const sent = async (trace?: object): Promise<string> => {
    const rooms = mailRooms(
      seen((message) => {
        message.meta.tenant = 'gold';
        return undefined;
      }),
    );
    const injection = injectionOf(rooms);
    await inTime(
      rooms.clock,
      injection.post(request(trace === undefined ? {} : { trace_headers: trace }), origin),
    );
    return String(await (rooms.events[0]!.subject as Message).data());
  };
  const contentOf = (text: string, name: string): unknown =>
    JSON.parse(
      Buffer.from(new RegExp(`^${name}: (.*?)\\r\\n(?!\\t)`, 's').exec(text)![1]!, 'base64').toString(),
    );

  test('without the object: the supplemental header alone', async () => {
    const text = await sent();
    expect(text).not.toContain('Received:');
    expect(contentOf(text, 'X-KumoRef')).toEqual({ '_@_': '\\_/', recipient: 'rcpt@dest.example' });
  });

  test('with it there is a Received header too', async () => {
    const text = await sent({ header_name: 'X-Mine', include_meta_names: ['tenant', 'none'] });
    expect(contentOf(text, 'X-Mine')).toEqual({
      '_@_': '\\_/',
      recipient: 'rcpt@dest.example',
      tenant: 'gold',
    });
    expect(text).toMatch(
      /\r\nReceived: from source\.example \(198\.51\.100\.7\)\r\n {2}by mta\.example \(Moonpost\)\r\n {2}with HTTP id 0{32} for <rcpt@dest\.example>;\r\n {2}Thu, 1 Jan 2026/,
    );
  });

  test('neither', async () => {
    expect(await sent({ received_header: false, supplemental_header: false })).toMatch(/^To: /);
  });
});

describe('the recipient rate limit', () => {
  const spec = { limit: 10, period: SECOND, burst: 10, local: false };
  const recipients = Array.from({ length: 30 }, (_, number) => ({ email: `r${number}@dest.example` }));

  test('makes requests wait, not those of policy', async () => {
    const rooms = mailRooms();
    const injection = injectionOf(rooms, { recipientRateLimit: spec });
    const start = rooms.clock.now();
    await inTime(rooms.clock, injection.inject(request({ recipients }), origin));
    expect(rooms.clock.now() - start).toBeLessThan(SECOND);
    const before = rooms.clock.now();
    await inTime(rooms.clock, injection.post(request({ recipients }), origin));
    expect(rooms.clock.now() - before).toBeGreaterThanOrEqual(2 * SECOND - 100);
  });

  test('who waits is told when the server stops', async () => {
    const rooms = mailRooms();
    let why: string | undefined;
    const injection = injectionOf(rooms, {
      recipientRateLimit: { ...spec, period: 3_600_000 },
      refusal: () => why,
    });
    const work = status(injection.post(request({ recipients }), origin));
    await rooms.clock.advance(SECOND);
    why = 'shutting down';
    expect(await inTime(rooms.clock, work)).toBe(503);
    await injection.idle();
    expect(rooms.spool.content.size).toBe(0);
  });
});

describe('deferred_generation', () => {
  const QUEUE = 'generator.kumomta.internal';
  const deferred = request({
    deferred_generation: true,
    recipients: [{ email: 'a@dest.example' }, { email: 'b@dest.example' }],
  });

  test('keeps the request, answers zeros, and makes the messages later', async () => {
    const rooms = generatingRooms();
    const answer = await rooms.injection.post(deferred, origin);
    expect(answer).toEqual({ success_count: 0, fail_count: 0, failed_recipients: [], errors: [] });
    expect(rooms.spool.content.size).toBe(1);
    expect(rooms.events.map(({ type, queue }) => `${type} ${queue}`)).toEqual([`Reception ${QUEUE}`]);
    await rooms.clock.advance(5 * SECOND);
    const records = rooms.events.map(({ type, queue, deliveryProtocol }) => [type, queue, deliveryProtocol]);
    expect(records.slice(0, 4)).toEqual([
      ['Reception', QUEUE, null],
      ['Reception', 'dest.example', null],
      ['Reception', 'dest.example', null],
      ['Delivery', QUEUE, 'HttpInjectionGenerator'],
    ]);
    expect(rooms.events[3]).toMatchObject({ site: `unspecified->${QUEUE}@httpinject:generator` });
    expect((rooms.events[1]!.subject as Message).meta).toMatchObject({
      received_from: '198.51.100.7',
      received_via: '192.0.2.9',
      hostname: 'mta.example',
    });
  });

  test('a template error is told at once', async () => {
    const rooms = generatingRooms();
    const bad = { ...deferred, content: { text_body: '{{ no' } };
    expect(await status(rooms.injection.post(bad, origin))).toBe(422);
    expect(rooms.spool.content.size).toBe(0);
  });

  test('is an error when the disk does not take it', async () => {
    const rooms = generatingRooms();
    rooms.spool.failing = true;
    expect(await status(rooms.injection.post(deferred, origin))).toBe(500);
  });

  test('outlives a restart', async () => {
    // Killed before a message was made.
    const first = mailRooms({}, undefined, undefined, { generate: () => new Promise(() => {}) });
    await injectionOf(first).post(deferred, origin);
    const second = generatingRooms({}, first.spool.content);
    await second.queues.restore();
    await second.clock.advance(5 * SECOND);
    const receptions = second.events.filter(({ type }) => type === 'Reception');
    expect(receptions.map(({ subject }) => (subject as Message).recipients[0]!.email)).toEqual([
      'a@dest.example',
      'b@dest.example',
    ]);
  });

  test('recipients that fail for now are tried again, alone; nobody gets two', async () => {
    let isBroken = true;
    const rooms = generatingRooms(
      seen((message) =>
        isBroken && message.recipients[0]!.user === 'b'
          ? { kind: 'error', message: 'init.lua:1: boom' }
          : undefined,
      ),
    );
    await rooms.injection.post(deferred, origin);
    await rooms.clock.advance(5 * SECOND);
    const ofGenerator = (): string[] =>
      rooms.events
        .filter(({ queue }) => queue === QUEUE)
        .map(({ type, response }) => `${type} ${response.content}`);
    expect(ofGenerator()).toEqual([
      'Reception ',
      'TransientFailure 1 of 2 recipients failed: b@dest.example: init.lua:1: boom',
    ]);
    isBroken = false;
    await rooms.clock.advance(60 * SECOND);
    expect(ofGenerator().slice(2)).toEqual(['Delivery OK, 1 messages']);
    const made = rooms.events.filter(({ type, queue }) => type === 'Reception' && queue !== QUEUE);
    expect(made.map(({ subject }) => (subject as Message).recipients[0]!.email)).toEqual([
      'a@dest.example',
      'b@dest.example',
    ]);
  });

  test('a request of which nothing can be made bounces', async () => {
    const rooms = generatingRooms();
    const bad = { ...deferred, recipients: [{ email: 'none' }] };
    await rooms.injection.post(bad, origin);
    await rooms.clock.advance(5 * SECOND);
    expect(rooms.records()).toEqual(['Reception 250', 'Bounce 500']);
    expect(rooms.spool.content.size).toBe(0);
  });

  test('waits while no mail is taken', async () => {
    let why: string | undefined;
    let injection: Injection | undefined;
    const rooms = mailRooms({ get_queue_config: () => queueConfig({}) }, undefined, undefined, {
      generate: (message) => injection!.generate(message),
    });
    injection = injectionOf(rooms, { refusal: () => why });
    await injection.post(deferred, origin);
    why = 'disk is too full';
    await rooms.clock.advance(5 * SECOND);
    expect(rooms.records()).toEqual(['Reception 250', 'TransientFailure 400']);
    why = undefined;
    await rooms.clock.advance(60 * SECOND);
    expect(rooms.events.filter(({ type, queue }) => type === 'Delivery' && queue === QUEUE)).toHaveLength(1);
  });
});
