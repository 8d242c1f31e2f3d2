import { describe, expect, test } from 'vitest';
import type { ConnectionMeta, Message, PolicyResult } from '../../../src/model/index.ts';
import { type Handler, mailRooms, queueConfig, transaction } from '../../kit/mail-rooms.ts';

const SECOND = 1000;
const MINUTE = 60_000;
const EVENT = 'smtp_server_message_deferred_inject';
const QUEUE = 'deferred_smtp_inject.kumomta.internal';
const SITE = `unspecified->${QUEUE}@defersmtpinject`;

type Rooms = ReturnType<typeof mailRooms>;
type Inject = (message: Message, meta: ConnectionMeta) => PolicyResult | Promise<PolicyResult> | undefined;

function rooms(inject: Inject | undefined, more: Record<string, Handler> = {}, from?: Rooms): Rooms {
  const handlers = { ...more };
  if (inject !== undefined) {
    handlers[EVENT] = ((message: Message, meta: ConnectionMeta) =>
      inject(message, meta) ?? { kind: 'absent' }) as unknown as Handler;
  }
  return mailRooms(handlers, from?.spool.content, from?.clock);
}

function receive(made: Rooms, recipients = ['user@dest.example']) {
  const received = transaction(made.clock, recipients, 'Subject: x\r\n\r\nhello\r\n');
  received.listener = { ...received.listener, deferred_queue: true };
  return made.reception.receive(received);
}

const setQueue = (message: Message, queue: string): void => {
  message.meta.queue = queue;
  message.dirty = true;
};
const prepend = (message: Message, header: string): void =>
  message.setData(Buffer.concat([Buffer.from(header), message.body!]));

describe('deferred_queue', () => {
  test('the message waits in its own queue, unseen by message_received; then policy names its queue', async () => {
    const seen: unknown[] = [];
    const made = rooms(
      (message, meta) => {
        seen.push(message.meta.queue, meta.get('reception_protocol'), meta.get('queue'));
        meta.set('reception_protocol', 'changed');
        setQueue(message, 'tenant@dest.example');
        return undefined;
      },
      {
        smtp_server_message_received: () => {
          throw new Error('it is not asked');
        },
        get_queue_config: ((domain: string) => {
          expect(domain).toBe('dest.example');
          return queueConfig({});
        }) as unknown as Handler,
      },
    );
    const { reply } = await receive(made);
    expect(reply).toMatchObject({ code: 250, content: `OK ids=${'0'.repeat(32)}` });
    await made.clock.advance(SECOND);
    expect(seen).toEqual([null, 'ESMTP', undefined]);
    expect(made.events.map(({ type, queue }) => `${type} ${queue}`)).toEqual([
      `Reception ${QUEUE}`,
      'DeferredInjectionRebind tenant@dest.example',
      'Delivery tenant@dest.example',
    ]);
    expect(made.events[1]).toMatchObject({
      response: { code: 250, content: `Rebound from ${QUEUE} to tenant@dest.example` },
      deliveryProtocol: 'DeferredSmtpInjection',
    });
    expect(made.events[2]).toMatchObject({ subject: { meta: { reception_protocol: 'ESMTP' } } });
    expect(made.spool.content.size).toBe(0);
  });

  test('without a handler it goes to the queue of its recipient', async () => {
    const made = rooms(undefined);
    await receive(made);
    await made.clock.advance(SECOND);
    expect(made.records()).toEqual(['Reception 250', 'DeferredInjectionRebind 250', 'Delivery 250']);
    expect(made.events.at(-1)!.queue).toBe('dest.example');
  });

  test('a rejection of 500 and more bounces', async () => {
    const made = rooms(() => ({ kind: 'reject', code: 550, text: 'no thanks', disconnect: 'If421' }));
    await receive(made);
    await made.clock.advance(SECOND);
    expect(made.records()).toEqual(['Reception 250', 'Bounce 550']);
    expect(made.events[1]).toMatchObject({
      queue: QUEUE,
      site: SITE,
      response: { content: 'no thanks' },
      deliveryProtocol: 'DeferredSmtpInjection',
    });
    expect(made.spool.content.size).toBe(0);
  });

  test.each<[string, PolicyResult, number]>([
    ['a rejection below 500', { kind: 'reject', code: 421, text: 'later', disconnect: 'If421' }, 421],
    ['kumo.disconnect', { kind: 'reject', code: 451, text: 'later', disconnect: 'ForceDisconnect' }, 451],
    ['any other error', { kind: 'error', message: 'init.lua:3: later' }, 450],
  ])(
    '%s is a transient failure; the next try begins with the message as it came',
    async (_how, failure, code) => {
      let tries = 0;
      const bodies: string[] = [];
      const made = rooms((message) => {
        bodies.push(String(message.body));
        prepend(message, 'X-Seen: 1\r\n');
        setQueue(message, 'elsewhere.example!dest.example');
        return ++tries < 3 ? failure : undefined;
      });
      await receive(made);
      await made.clock.advance(SECOND);
      expect(made.records()).toEqual(['Reception 250', `TransientFailure ${code}`]);
      expect(made.events[1]!.response.content).toContain('later');
      await made.clock.advance(50 * SECOND);
      expect(made.records()).toHaveLength(2);
      await made.clock.advance(5 * MINUTE);
      expect(made.records().slice(2)).toEqual([
        `TransientFailure ${code}`,
        'DeferredInjectionRebind 250',
        'Delivery 250',
      ]);
      expect(new Set(bodies).size).toBe(1);
      expect(made.peers.bodies[0]!.match(/X-Seen/g)).toHaveLength(1);
      // The count of attempts begins anew with the queue.
      expect(made.events.at(-1)).toMatchObject({ attempts: 0, queue: 'elsewhere.example!dest.example' });
    },
  );

  test('what it makes of the message survives a failed delivery and a restart', async () => {
    const made = rooms((message) => {
      prepend(message, 'X-Signed: yes\r\n');
      message.meta.tenant = 'acme';
      return undefined;
    });
    made.peers.answer = (command) => (command.startsWith('RCPT') ? '451 later' : undefined);
    await receive(made);
    await made.clock.advance(SECOND);
    expect(made.records().at(-1)).toBe('TransientFailure 451');
    await made.queues.stop();
    await made.ready.stop();
    const after = rooms(undefined, {}, made);
    await after.queues.restore();
    await after.clock.advance(60 * MINUTE);
    expect(after.records()).toEqual(['Delivery 250']);
    expect(after.events[0]!.queue).toBe('acme@dest.example');
    expect(after.peers.bodies[0]).toContain('X-Signed: yes');
    expect(after.events[0]!.subject).toMatchObject({ size: Buffer.byteLength(after.peers.bodies[0]!) });
  });

  test('a message that waits is still deferred after a restart', async () => {
    const made = rooms(() => ({ kind: 'error', message: 'broken' }));
    await receive(made);
    await made.clock.advance(SECOND);
    await made.queues.stop();
    await made.ready.stop();
    const after = rooms((message) => setQueue(message, 'fixed.example!dest.example') as undefined, {}, made);
    await after.queues.restore();
    await after.clock.advance(2 * MINUTE);
    expect(after.records()).toEqual(['DeferredInjectionRebind 250', 'Delivery 250']);
    expect(after.events.at(-1)!.queue).toBe('fixed.example!dest.example');
  });

  test('a stop does not wait for a handler that waits; the message stays as it came', async () => {
    const made = rooms(async (message) => {
      prepend(message, 'X-Half: 1\r\n');
      await new Promise<void>((resolve) => void made.clock.after(600 * SECOND, resolve));
      return { kind: 'absent' };
    });
    await receive(made);
    await made.clock.advance(SECOND);
    await made.queues.stop();
    await made.ready.stop();
    await made.clock.advance(700 * SECOND);
    const [kept] = made.spool.content.values();
    expect(JSON.parse(kept!.envelope).meta.queue).toBe(QUEUE);
    expect(String(kept!.body)).not.toContain('X-Half');
    expect(made.records()).toEqual(['Reception 250']);
  });

  test('nor for one that begins to wait just then', async () => {
    const made = rooms(() => new Promise<PolicyResult>(() => {}));
    // The message is being read from the disk when everything stops.
    let read = (): void => {};
    const { loadBody } = made.spool;
    made.spool.loadBody = async (entry) => {
      await new Promise<void>((resolve) => {
        read = resolve;
      });
      return loadBody.call(made.spool, entry);
    };
    await made.queues.stop();
    await receive(made);
    const after = rooms(() => new Promise<PolicyResult>(() => {}), {}, made);
    after.spool.loadBody = made.spool.loadBody;
    await after.queues.restore();
    await after.clock.advance(SECOND);
    await after.queues.stop();
    let hasStopped = false;
    void after.ready.stop().then(() => {
      hasStopped = true;
    });
    read();
    await after.clock.advance(SECOND);
    expect(hasStopped).toBe(true);
    const [kept] = after.spool.content.values();
    expect(JSON.parse(kept!.envelope).meta.queue).toBe(QUEUE);
  });

  test('the queue `null` discards', async () => {
    const made = rooms((message) => setQueue(message, 'null') as undefined);
    await receive(made);
    await made.clock.advance(SECOND);
    expect(made.records()).toEqual(['Reception 250', 'DeferredInjectionRebind 250']);
    expect(made.spool.content.size).toBe(0);
    expect(made.queues.size).toBe(0);
  });

  test.each<[string, (message: Message) => void, string]>([
    ['no queue can be named', (message) => void Object.assign(message.meta, { tenant: 7 }), "'tenant'"],
    ['it is its own queue again', (message) => setQueue(message, QUEUE), 'again'],
    ['policy cannot configure the queue', (message) => setQueue(message, 'broken.example'), 'broken.example'],
  ])('%s: tried again later', async (_what, change, text) => {
    let isBroken = true;
    const made = rooms(
      (message) => {
        if (isBroken) change(message);
        return undefined;
      },
      {
        get_queue_config: ((domain: string) =>
          domain === 'broken.example'
            ? { kind: 'error', message: 'no' }
            : queueConfig({})) as unknown as Handler,
      },
    );
    await receive(made);
    await made.clock.advance(SECOND);
    expect(made.records()).toEqual(['Reception 250', 'TransientFailure 450']);
    expect(made.events[1]!.response.content).toContain(text);
    isBroken = false;
    await made.clock.advance(2 * MINUTE);
    expect(made.records().at(-1)).toBe('Delivery 250');
  });

  test('a full disk: tried again later, and the handler has the message as it came', async () => {
    const bodies: string[] = [];
    const made = rooms((message) => {
      bodies.push(String(message.body));
      prepend(message, 'X-Seen: 1\r\n');
      made.spool.failing = bodies.length === 1;
      return undefined;
    });
    await receive(made);
    await made.clock.advance(SECOND);
    expect(made.records()).toEqual(['Reception 250', 'TransientFailure 450']);
    made.spool.failing = false;
    await made.clock.advance(5 * MINUTE);
    expect(made.records().at(-1)).toBe('Delivery 250');
    expect(new Set(bodies).size).toBe(1);
  });

  test('a due time that it sets holds', async () => {
    const made = rooms((message) => {
      message.setDue(made.clock.now() + 30 * MINUTE, made.clock.now());
      return undefined;
    });
    await receive(made);
    await made.clock.advance(29 * MINUTE);
    expect(made.records()).toEqual(['Reception 250', 'DeferredInjectionRebind 250']);
    await made.clock.advance(2 * MINUTE);
    expect(made.records().at(-1)).toBe('Delivery 250');
  });

  test('thousands, with handlers that wait, go through a few at a time', async () => {
    let running = 0;
    let peak = 0;
    const made = rooms(async () => {
      peak = Math.max(peak, ++running);
      await new Promise<void>((resolve) => void made.clock.after(10, resolve));
      running--;
      return { kind: 'absent' };
    });
    await receive(
      made,
      Array.from({ length: 3000 }, (_, index) => `u${index}@dest.example`),
    );
    await made.clock.advance(30 * SECOND);
    expect(made.events.filter(({ type }) => type === 'Delivery')).toHaveLength(3000);
    expect(peak).toBe(16);
  });
});
