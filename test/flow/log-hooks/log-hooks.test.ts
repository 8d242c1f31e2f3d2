import { describe, expect, test } from 'vitest';
import { LogHooks } from '../../../src/flow/log-hooks/index.ts';
import { luaNull } from '../../../src/lua/index.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import { type DeliveryEvent, Message, SpoolWriteError } from '../../../src/model/index.ts';
import { logDispositionHookOptions, logHookOptions } from '../../../src/model/options/index.ts';
import { EnvelopeAddress, reply } from '../../../src/protocol/smtp/index.ts';
import { FakeClock, settle } from '../../kit/fake-clock.ts';
import { type Handler, returns, TablePolicy } from '../../kit/mail-rooms.ts';

const parse = (text: string): EnvelopeAddress => EnvelopeAddress.parse(text)!;

function message(meta: object = {}): Message {
  return new Message({
    id: 'a'.repeat(32),
    sender: parse('s@a.example'),
    recipients: [parse('r@b.example'), parse('q@b.example')],
    meta: { tenant: 't', reception_protocol: 'ESMTP', ...meta },
    body: Buffer.from('Subject: hello\r\n\r\nbody\r\n'),
  });
}

function event(parts: Partial<DeliveryEvent> = {}): DeliveryEvent {
  return {
    type: 'Delivery',
    subject: message(),
    queue: 'b.example',
    site: 'src->site@smtp_client',
    response: reply(250, '2.0.0', 'ok'),
    peer: null,
    attempts: 0,
    deliveryProtocol: 'ESMTP',
    ...parts,
  };
}

interface Given {
  hooks?: object[];
  dispositions?: object[];
  handlers?: Record<string, Handler>;
}

function room({ hooks = [], dispositions = [], handlers = {} }: Given) {
  const clock = new FakeClock();
  const policy = new TablePolicy(handlers);
  const kept: Message[] = [];
  const deferred: boolean[] = [];
  const said: string[] = [];
  const logged: DeliveryEvent[] = [];
  const say = (_target: string, text: string): void => void said.push(text);
  /** What the disk does with a message that it is handed; set it. */
  const disk = { store: async (_message: Message): Promise<void> => {} };
  let ids = 0;
  let backlog = 0;
  const log = new LogHooks({
    log: { write: (written) => void logged.push(written) },
    policy,
    clock,
    diagnostics: { error: say, warn: say, info: say, debug: say },
    nodeId: 'node',
    createdAt: () => clock.now() - 5000,
    newMessageId: () => `new ${ids++}`,
    enqueue: (given, isDeferred) => {
      kept.push(given);
      deferred.push(isDeferred);
      return disk.store(given);
    },
    onBacklog: () => backlog++,
  });
  const configured = (given: Given) => ({
    hooks: (given.hooks ?? []).map((options) => parseOptions(logHookOptions, options)),
    dispositionHooks: (given.dispositions ?? []).map((options) =>
      parseOptions(logDispositionHookOptions, options),
    ),
  });
  log.configure(configured({ hooks, dispositions }));
  return {
    log,
    clock,
    policy,
    kept,
    deferred,
    said,
    logged,
    disk,
    backlog: () => backlog,
    configure: (given: Given) => log.configure(configured(given)),
  };
}

const yes = { should_enqueue_log_record: () => returns(true) };
const refusing = (): Promise<void> => Promise.reject(new SpoolWriteError('no space'));

/** A promise and what settles it. */
function gate<T>(): { promise: Promise<T>; open: (value: T) => void } {
  let open!: (value: T) => void;
  const promise = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

describe('the message that carries a record', () => {
  test('has the envelope of the record, the asked metadata, and the record as its content', async () => {
    const { log, kept, logged } = room({
      hooks: [{ name: 'h', meta: ['ten*'], headers: ['Subject'] }],
      handlers: yes,
    });
    const written = event();
    await log.write(written);
    expect(logged).toEqual([written]);
    const [carrier] = kept;
    expect(carrier!.id).toBe('new 0');
    expect(carrier!.sender.email).toBe('s@a.example');
    expect(carrier!.recipients.map(String)).toEqual(['r@b.example', 'q@b.example']);
    const text = carrier!.body!.toString();
    expect(text.endsWith('}\n')).toBe(true);
    expect(JSON.parse(text)).toMatchObject({
      type: 'Delivery',
      id: 'a'.repeat(32),
      recipient: ['r@b.example', 'q@b.example'],
      meta: { tenant: 't' },
      headers: { Subject: 'hello' },
      reception_protocol: 'ESMTP',
      nodeid: 'node',
    });
    const { log_record, ...meta } = carrier!.meta;
    expect(meta).toEqual({ tenant: 't', reception_protocol: 'LogRecord' });
    expect(log_record).toEqual(JSON.parse(text));
  });

  test('is about the recipients of the record, not those of the message', async () => {
    const { log, kept } = room({ hooks: [{ name: 'h' }], handlers: yes });
    await log.write(event({ recipients: ['q@b.example'] }));
    expect(kept[0]!.recipients.map(String)).toEqual(['q@b.example']);
  });

  test('is made of refused transactions too, whatever they named', async () => {
    const { log, kept } = room({ hooks: [{ name: 'h' }], handlers: yes });
    const subject = { sender: 'no address', recipient: '', meta: {} };
    await log.write(event({ type: 'Rejection', subject }));
    expect(kept[0]!.sender.email).toBe('');
    expect(kept[0]!.recipients.map(String)).toEqual(['']);
    expect(kept[0]!.meta.log_record).toMatchObject({ type: 'Rejection', sender: 'no address', id: '' });
  });

  test('has what the template makes of the record', async () => {
    const template = '{{ type }} for {{ recipient[0] }}, {{ log_record.response.code }}';
    const { log, kept } = room({
      hooks: [{ name: 'h', per_record: { Delivery: { template }, Bounce: { enable: false } } }],
      handlers: yes,
    });
    await log.write(event());
    await log.write(event({ type: 'Bounce' }));
    await log.write(event({ type: 'Expiration' }));
    expect(kept.map(({ body }) => body!.toString())).toEqual([
      'Delivery for r@b.example, 250\n',
      expect.stringMatching(/^\{"type":"Expiration".*\}\n$/),
    ]);
  });

  test('has the headers of a message whose body is on disk', async () => {
    const { log, kept } = room({ hooks: [{ name: 'h', headers: ['Subject'] }], handlers: yes });
    const { id, sender, recipients, meta } = message();
    const load = async (): Promise<Buffer> => Buffer.from('Subject: from disk\r\n\r\n');
    const subject = new Message({ id, sender, recipients, meta, size: 22, load });
    await log.write(event({ subject }));
    expect(kept[0]!.meta.log_record).toMatchObject({ headers: { Subject: 'from disk' } });
  });
});

describe('should_enqueue_log_record', () => {
  test('is told the hook; only what it wants is kept', async () => {
    const asked: string[] = [];
    const { log, kept } = room({
      hooks: [{ name: 'one' }, { name: 'two', deferred_spool: true }],
      handlers: {
        should_enqueue_log_record: (carrier: Message, name: string) => {
          asked.push(name);
          carrier.meta.queue = `${name}.hook`;
          return returns(name === 'two');
        },
      },
    });
    await log.write(event());
    expect(asked).toEqual(['one', 'two']);
    expect(kept.map(({ meta }) => meta.queue)).toEqual(['two.hook']);
  });

  test('no, nil, no answer, an error, a refusal, no handler: the record is dropped', async () => {
    const answers = [
      returns(false),
      returns(undefined),
      { kind: 'absent' as const },
      { kind: 'error' as const, message: 'x' },
      { kind: 'reject' as const, code: 550, text: 'never', disconnect: 'If421' as const },
    ];
    for (const answer of answers) {
      const { log, kept, logged, said } = room({
        hooks: [{ name: 'h' }],
        handlers: { should_enqueue_log_record: () => answer },
      });
      expect(log.write(event())).toBeUndefined();
      expect([kept.length, logged.length]).toEqual([0, 1]);
      // Errors are reported by the engine.
      expect(said.length).toBe(answer.kind === 'reject' ? 1 : 0);
      await log.idle();
    }
    const { log, policy, logged } = room({ hooks: [{ name: 'h' }] });
    expect(log.write(event())).toBeUndefined();
    expect([policy.fired, logged.length]).toEqual([[], 1]);
  });

  test('is not asked about records of messages that carry records', async () => {
    const { log, policy, logged } = room({
      hooks: [{ name: 'h' }],
      dispositions: [{ name: 'd' }],
      handlers: { ...yes, log_disposition_d: () => returns() },
    });
    await log.write(event({ subject: message({ reception_protocol: 'LogRecord' }) }));
    expect([policy.fired, logged.length]).toEqual([[], 1]);
  });

  test('a handler that does not wait: the spool is handed the message inside write', () => {
    const { log, kept, disk } = room({ hooks: [{ name: 'h' }], handlers: yes });
    disk.store = () => new Promise(() => {});
    // Nothing to wait for: the removal that follows comes after it in the spool's line.
    expect(log.write(event())).toBeUndefined();
    expect(kept).toHaveLength(1);
  });

  test('a handler that waits makes the writer wait until the spool is handed the message', async () => {
    const answer = gate<ReturnType<typeof returns>>();
    const { log, kept } = room({
      hooks: [{ name: 'h' }],
      handlers: { should_enqueue_log_record: () => answer.promise },
    });
    const written = log.write(event());
    expect(written).toBeInstanceOf(Promise);
    expect(kept).toHaveLength(0);
    answer.open(returns(true));
    await written;
    expect(kept).toHaveLength(1);
  });

  test('of handlers that wait only some are asked at a time, and all in the end', async () => {
    const gates: ReturnType<typeof gate<ReturnType<typeof returns>>>[] = [];
    const { log, kept } = room({
      hooks: [{ name: 'h' }],
      handlers: {
        should_enqueue_log_record: () => {
          gates.push(gate());
          return gates.at(-1)!.promise;
        },
      },
    });
    const written = Array.from({ length: 40 }, () => log.write(event()));
    expect(gates).toHaveLength(16);
    for (let next = 0; next < gates.length; next++) {
      gates[next]!.open(returns(true));
      await settle();
      expect(gates.length).toBeLessThanOrEqual(next + 17);
    }
    await Promise.all(written);
    expect([gates.length, kept.length]).toEqual([40, 40]);
  });
});

describe('back_pressure', () => {
  test('a full hook makes producers wait, one for each record that leaves; nothing is dropped', async () => {
    const stored: (() => void)[] = [];
    const { log, kept, disk, backlog } = room({
      hooks: [{ name: 'h', back_pressure: 2 }],
      handlers: yes,
    });
    disk.store = () => new Promise((resolve) => stored.push(resolve));
    expect(log.write(event())).toBeUndefined();
    expect(log.isStalled).toBe(false);
    const done: number[] = [];
    for (let index = 1; index <= 3; index++) {
      const waiting = log.write(event());
      expect(waiting).toBeInstanceOf(Promise);
      void (waiting as Promise<void>).then(() => done.push(index));
    }
    expect([log.isStalled, backlog(), kept.length]).toEqual([true, 2, 4]);
    stored.shift()!();
    await settle();
    expect(done).toEqual([1]);
    while (stored.length > 0) {
      stored.shift()!();
      await settle();
    }
    expect(done).toEqual([1, 2, 3]);
    expect(log.isStalled).toBe(false);
  });

  test('counts only what is on its way: what a full disk refused does not stop queues, and no mail is taken', async () => {
    const { log, disk, said } = room({ hooks: [{ name: 'h', back_pressure: 1 }], handlers: yes });
    disk.store = refusing;
    await log.write(event());
    await log.write(event());
    expect([log.isStalled, log.hasUnkept]).toEqual([false, true]);
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('records wait in memory: no space');
  });
});

describe('a disk that refuses', () => {
  test('is tried again every second until it takes all', async () => {
    const { log, clock, disk, kept } = room({ hooks: [{ name: 'h' }], handlers: yes });
    disk.store = refusing;
    for (let count = 0; count < 3; count++) await log.write(event());
    await clock.advance(5000);
    expect(log.hasUnkept).toBe(true);
    const stored: Message[] = [];
    disk.store = async (given) => void stored.push(given);
    await clock.advance(1000);
    expect(new Set(stored)).toEqual(new Set(kept));
    expect([stored.length, log.hasUnkept]).toEqual([3, false]);
    expect(clock.pending).toBe(0);
  });

  test('is tried again also when it is refused at the moment at which the others are taken', async () => {
    // Each number of steps between the two makes another order of what happens in that moment.
    for (let steps = 0; steps < 12; steps++) {
      const { log, disk, clock } = room({ hooks: [{ name: 'h' }], handlers: yes });
      disk.store = refusing;
      await log.write(event());
      await settle();
      expect(log.hasUnkept).toBe(true);
      const first = gate<void>();
      disk.store = () => first.promise;
      await clock.advance(1000);
      const second = gate<void>();
      disk.store = () => second.promise.then(refusing);
      await log.write(event());
      const open = async (): Promise<void> => {
        for (let step = 0; step < steps; step++) await Promise.resolve();
        first.open();
      };
      second.open();
      void open();
      await settle();
      disk.store = () => Promise.resolve();
      await clock.advance(5000);
      expect(log.hasUnkept).toBe(false);
    }
  });

  test('is tried once more at the end; what is lost then is said', async () => {
    for (const recovers of [true, false]) {
      const { log, disk, said } = room({ hooks: [{ name: 'h' }], handlers: yes });
      disk.store = refusing;
      await log.write(event());
      await log.write(event());
      await settle();
      if (recovers) disk.store = async () => {};
      await log.idle();
      const lost = said.filter((text) => text.includes('are lost'));
      expect(lost).toEqual(recovers ? [] : ['h: 2 records are lost: no space']);
    }
  });

  test('a message that has no queue is reported and dropped', async () => {
    const { log, disk, said } = room({ hooks: [{ name: 'h' }], handlers: yes });
    disk.store = () => Promise.reject(new Error("expected 'queue' to be a string value"));
    await log.write(event());
    await log.idle();
    expect(said).toEqual(["h: a record cannot be queued: expected 'queue' to be a string value"]);
  });
});

describe('the end, and live changes', () => {
  test('idle waits for handlers and for the disk', async () => {
    const answer = gate<ReturnType<typeof returns>>();
    const disk = gate<void>();
    const rooms = room({
      hooks: [{ name: 'h' }],
      handlers: { should_enqueue_log_record: () => answer.promise },
    });
    rooms.disk.store = () => disk.promise;
    void rooms.log.write(event());
    let isIdle = false;
    const idle = rooms.log.idle().then(() => {
      isIdle = true;
    });
    answer.open(returns(true));
    await settle();
    expect([rooms.kept.length, isIdle]).toEqual([1, false]);
    disk.open();
    await idle;
  });

  test('configure replaces all at once; records under way go on as they were', async () => {
    const answer = gate<ReturnType<typeof returns>>();
    const asked: string[] = [];
    const { log, kept, deferred, configure } = room({
      hooks: [{ name: 'old', deferred_spool: true }],
      handlers: {
        should_enqueue_log_record: (_message: Message, name: string) => {
          asked.push(name);
          return name === 'old' ? answer.promise : returns(true);
        },
      },
    });
    const first = log.write(event());
    configure({ hooks: [{ name: 'new' }] });
    await log.write(event());
    expect(asked).toEqual(['old', 'new']);
    let isIdle = false;
    const idle = log.idle().then(() => {
      isIdle = true;
    });
    await settle();
    expect(isIdle).toBe(false);
    answer.open(returns(true));
    await first;
    await idle;
    expect(deferred).toEqual([false, true]);
    expect(kept).toHaveLength(2);
    configure({});
    await log.write(event());
    expect(kept).toHaveLength(2);
  });

  test('a hook that is removed while the disk refuses keeps its records until it takes them', async () => {
    const { log, clock, disk, said, configure } = room({ hooks: [{ name: 'h' }], handlers: yes });
    disk.store = refusing;
    await log.write(event());
    configure({});
    const stored: Message[] = [];
    disk.store = async (given) => void stored.push(given);
    await clock.advance(1000);
    await log.idle();
    expect(stored).toHaveLength(1);
    expect(said.some((text) => text.includes('lost'))).toBe(false);
  });
});

describe('log_disposition_NAME', () => {
  test('gets the message itself and the record, in which nothing is nil', async () => {
    const got: unknown[][] = [];
    const { log } = room({
      dispositions: [{ name: 'd', per_record: { Any: { enable: false }, Bounce: {} } }],
      handlers: {
        log_disposition_d: (...args: unknown[]) => {
          got.push(args);
          return returns();
        },
      },
    });
    const bounce = event({ type: 'Bounce', response: reply(550, '', 'no') });
    expect(log.write(bounce)).toBeUndefined();
    await log.write(event());
    expect(got).toHaveLength(1);
    expect(got[0]![0]).toBe(bounce.subject);
    expect(got[0]![1]).toMatchObject({
      type: 'Bounce',
      egress_pool: luaNull,
      response: { code: 550, enhanced_code: luaNull },
      meta: {},
    });
  });

  test('is not fired for what has no message, and waits when the handler does', async () => {
    const answer = gate<ReturnType<typeof returns>>();
    const { log, policy } = room({
      dispositions: [{ name: 'd' }],
      handlers: { log_disposition_d: () => answer.promise },
    });
    await log.write(event({ type: 'Rejection', subject: { sender: '', recipient: '', meta: {} } }));
    await log.write(event({ type: 'OOB' }));
    expect(policy.fired).toEqual([]);
    let isDone = false;
    const written = Promise.resolve(log.write(event())).then(() => {
      isDone = true;
    });
    await settle();
    expect(isDone).toBe(false);
    answer.open(returns());
    await written;
  });
});
