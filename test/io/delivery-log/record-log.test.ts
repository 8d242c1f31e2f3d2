import { describe, expect, test } from 'vitest';
import { type LineBatch, RecordLog } from '../../../src/io/delivery-log/index.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import { type DeliveryEvent, logFields, Message } from '../../../src/model/index.ts';
import { localLogsOptions } from '../../../src/model/options/index.ts';
import { EnvelopeAddress, reply } from '../../../src/protocol/smtp/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const BODY = Buffer.from(
  'Subject: =?utf-8?Q?caf=C3=A9?=\r\nX-One: a\r\nx-one: b\r\nOther: z\r\n\r\nSubject: not a header\r\n',
);

function message(): Message {
  return new Message({
    id: 'a'.repeat(32),
    sender: EnvelopeAddress.parse('s@a.example')!,
    recipients: ['r@b.example', 'q@b.example'].map((text) => EnvelopeAddress.parse(text)!),
    meta: { tenant: 't', campaign: null, x_a: 1, x_b: 2, reception_protocol: 'ESMTP' },
    body: BODY,
  });
}

function event(parts: Partial<DeliveryEvent> = {}): DeliveryEvent {
  return {
    type: 'Delivery',
    subject: message(),
    queue: 'b.example',
    site: 'src->site@smtp_client',
    response: reply(250, '2.0.0', 'line one\r\nline two', '.\r\n'),
    peer: { name: 'mx.b.example', addr: '192.0.2.1' },
    attempts: 3,
    deliveryProtocol: 'ESMTP',
    ...parts,
  };
}

type Filter = (event: string, message: Message) => boolean | Promise<boolean>;

function recordLog(...loggers: object[]) {
  return filteredLog(() => false, ...loggers);
}

function filteredLog(filter: Filter, ...loggers: object[]) {
  const clock = new FakeClock();
  const sent: LineBatch[] = [];
  const said: string[] = [];
  const full: string[] = [];
  const say = (_target: string, text: string): void => void said.push(text);
  let release: (() => void)[] = [];
  const log = new RecordLog({
    loggers: loggers.map((options) => parseOptions(localLogsOptions, { log_dir: '/x', ...options })),
    clock,
    nodeId: 'node',
    createdAt: () => clock.now() - 5000,
    filter,
    onFull: (logger) => full.push(logger),
    diagnostics: { error: say, warn: say, info: say, debug: say },
    send: (batches) => {
      sent.push(...batches);
      return new Promise((resolve) => release.push(resolve));
    },
  });
  const taken = (): void => {
    for (const resolve of release) resolve();
    release = [];
  };
  const records = () => sent.flatMap(({ lines }) => lines.trim().split('\n')).map((line) => JSON.parse(line));
  return { log, clock, sent, said, full, taken, records };
}

describe('records (operations.md 9.2)', () => {
  test('have the fields in the order of the reference', async () => {
    const { log, clock, records } = recordLog({});
    await log.write(
      event({
        tls: { cipher: 'C', protocolVersion: 'V', peerSubjectName: [], resumed: true },
        providerName: 'p',
        sessionId: 's',
        delivery: 1,
      }),
    );
    await clock.advance(50);
    expect(Object.keys(records()[0])).toEqual(logFields.map(({ name }) => name));
  });

  test('say what happened, in one line', async () => {
    const { log, clock, records } = recordLog({});
    await log.write(event());
    await log.write(event({ recipients: ['r@b.example'] }));
    await clock.advance(50);
    const [both, one] = records();
    expect(both).toMatchObject({
      recipient: ['r@b.example', 'q@b.example'],
      response: {
        code: 250,
        enhanced_code: { class: 2, subject: 0, detail: 0 },
        content: 'line one line two',
      },
      num_attempts: 3,
      reception_protocol: 'ESMTP',
      size: BODY.length,
      bounce_classification: 'Uncategorized',
    });
    expect(both.timestamp - both.created).toBe(5);
    expect(one.recipient).toBe('r@b.example');
  });

  test('of refused transactions have no id', async () => {
    const { log, clock, records } = recordLog({ meta: ['tenant'] });
    const subject = { sender: '', recipient: '', meta: { tenant: 't' } };
    await log.write(event({ type: 'Rejection', subject, recipients: undefined }));
    await clock.advance(50);
    expect(records()[0]).toMatchObject({
      id: '',
      recipient: '',
      meta: { tenant: 't' },
      reception_protocol: null,
    });
  });
});

describe('what a logger asks for', () => {
  test('metadata by name and by prefix, without nulls', async () => {
    const { log, clock, records } = recordLog({ meta: ['tenant', 'campaign', 'x_*'] });
    await log.write(event());
    await clock.advance(50);
    expect(records()[0].meta).toEqual({ tenant: 't', x_a: 1, x_b: 2 });
  });

  test('headers in their own spelling, decoded, repeated ones as a list', async () => {
    const { log, clock, records } = recordLog({ headers: ['subject', 'X-*'] });
    await log.write(event());
    await clock.advance(50);
    expect(records()[0].headers).toEqual({ Subject: 'café', 'X-One': 'a', 'x-one': 'b' });
  });

  test('headers of a body that is only on disk are read for it', async () => {
    const { log, clock, records } = recordLog({ headers: ['Subject'] });
    const subject = new Message({ ...message(), body: undefined, load: async () => BODY });
    await log.write(event({ subject }));
    await clock.advance(50);
    expect(records()[0].headers).toEqual({ Subject: 'café' });
  });

  test('types can be left out, or go to another file, for each logger', async () => {
    const { log, clock, sent } = recordLog(
      { per_record: { Any: { enable: false }, Bounce: { suffix: '_bounce' } } },
      { per_record: { Delivery: { suffix: '_sent' } } },
    );
    await log.write(event());
    await log.write(event({ type: 'Bounce' }));
    await clock.advance(50);
    expect(sent.map(({ logger, suffix }) => `${logger}${suffix}`).sort()).toEqual([
      '0_bounce',
      '1',
      '1_sent',
    ]);
  });
});

test('a writer that does not keep up makes callers wait, and loses nothing', async () => {
  const { log, clock, taken, records } = recordLog({ meta: ['big'] });
  const subject = message();
  subject.meta.big = 'x'.repeat(200_000);
  let waiting: Promise<void> | undefined;
  let written = 0;
  while (waiting === undefined && written < 200) {
    waiting = log.write(event({ subject })) ?? undefined;
    written++;
  }
  expect(waiting).toBeInstanceOf(Promise);
  let resumed = false;
  const done = waiting!.then(() => {
    resumed = true;
  });
  await clock.advance(100);
  expect(resumed).toBe(false);
  taken();
  await done;
  await clock.advance(100);
  taken();
  expect(records()).toHaveLength(written);
});

test('a full logger makes its callers wait, and says so (back_pressure)', async () => {
  const { log, clock, sent, full, taken } = recordLog({ back_pressure: 3 }, { log_dir: '/y' });
  expect(log.write(event())).toBeUndefined();
  expect(log.write(event())).toBeUndefined();
  let resumed = false;
  const third = Promise.resolve(log.write(event())).then(() => {
    resumed = true;
  });
  await clock.advance(0);
  expect({ resumed, full }).toEqual({ resumed: false, full: ['dir-/x'] });
  // What waits is on its way at once, for all loggers.
  expect(sent.map(({ logger, records }) => [logger, records])).toEqual([
    [0, 3],
    [1, 3],
  ]);
  taken();
  await third;
  expect(log.isStalled).toBe(false);
  expect(log.write(event())).toBeUndefined();
  expect(full).toHaveLength(1);
});

describe('per_record', () => {
  test('template writes the line; its variables are the fields, and log_record is all of them', async () => {
    const { log, clock, sent } = recordLog({
      per_record: {
        Delivery: { template: '{{ type }} {{ response.code }} {{ log_record.queue }} <{{ sender }}>' },
        Any: { template: 'other {{ type }}\n' },
        Bounce: { suffix: '.bounces', log_dir: '/bounces' },
      },
    });
    await log.write(event());
    await log.write(event({ type: 'Expiration' }));
    await log.write(event({ type: 'Bounce' }));
    await clock.advance(50);
    expect(sent.map(({ directory, suffix }) => [directory, suffix])).toEqual([
      ['/x', ''],
      ['/bounces', '.bounces'],
    ]);
    expect(sent[0]!.lines).toBe('Delivery 250 b.example <s@a.example>\nother Expiration\n');
    // An entry of the type itself counts as a whole.
    expect(JSON.parse(sent[1]!.lines)).toMatchObject({ type: 'Bounce' });
  });

  test('log_record with tojson is the record as JSON would be', async () => {
    const { log, clock, sent } = recordLog(
      { headers: ['*'], meta: ['*'], per_record: { Any: { template: '{{ log_record | tojson }}' } } },
      { headers: ['*'], meta: ['*'] },
    );
    await log.write(event());
    await clock.advance(50);
    expect(JSON.parse(sent[0]!.lines)).toEqual(JSON.parse(sent[1]!.lines));
    expect(sent[0]!.lines.endsWith('}\n')).toBe(true);
  });

  test('a template that fails on a record leaves it in JSON, and is reported once', async () => {
    const { log, clock, records, said } = recordLog({
      per_record: { Any: { template: '{{ response.code.no.such }}' } },
    });
    for (let i = 0; i < 3; i++) await log.write(event());
    await clock.advance(50);
    expect(records()).toHaveLength(3);
    expect(records()[0]).toMatchObject({ type: 'Delivery', queue: 'b.example' });
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('template of a Delivery record');
  });

  test('a template that cannot be compiled is refused where it is given', () => {
    expect(() => recordLog({ per_record: { Bounce: { template: '{{ id ' } } })).toThrow(
      /per_record\.Bounce\.template: syntax error/,
    );
  });
});

describe('filter_event', () => {
  test('keeps out what it does not want, for its own logger alone', async () => {
    const asked: unknown[] = [];
    const { log, clock, sent } = filteredLog(
      (name, subject) => {
        asked.push([name, subject.meta.tenant]);
        return subject.meta.tenant === 'wanted';
      },
      { filter_event: 'only_wanted' },
      {},
    );
    await log.write(event());
    const wanted = message();
    wanted.meta.tenant = 'wanted';
    await log.write(event({ subject: wanted }));
    await clock.advance(50);
    expect(asked).toEqual([
      ['only_wanted', 't'],
      ['only_wanted', 'wanted'],
    ]);
    expect(sent.map(({ logger, lines }) => [logger, lines.trim().split('\n').length])).toEqual([
      [1, 2],
      [0, 1],
    ]);
  });

  test('is not asked about what was refused, nor about types that are off', async () => {
    let asked = 0;
    const { log, clock, records } = filteredLog(
      () => {
        asked++;
        return false;
      },
      { filter_event: 'f', per_record: { Delayed: { enable: false } } },
    );
    const subject = { sender: '', recipient: '', meta: {} };
    await log.write(event({ type: 'Rejection', subject, recipients: undefined }));
    await log.write(event({ type: 'Delayed' }));
    await clock.advance(50);
    expect(records().map(({ type }) => type)).toEqual(['Rejection']);
    expect(asked).toBe(0);
  });

  test('may wait; the record has the time at which it was written', async () => {
    const { log, clock, records } = filteredLog(
      () => new Promise((resolve) => clock.after(1000, () => resolve(true))),
      { filter_event: 'f' },
    );
    const written = log.write(event());
    const at = new Date(clock.now()).toISOString();
    await clock.advance(1100);
    await written;
    expect(records()[0]!.event_time).toBe(at);
  });
});
