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

function recordLog(...loggers: object[]) {
  const clock = new FakeClock();
  const sent: LineBatch[] = [];
  let release: (() => void)[] = [];
  const log = new RecordLog({
    loggers: loggers.map((options) => parseOptions(localLogsOptions, { log_dir: '/x', ...options })),
    clock,
    nodeId: 'node',
    createdAt: () => clock.now() - 5000,
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
  return { log, clock, sent, taken, records };
}

describe('records (operations.md 9.2)', () => {
  test('have the fields in the order of the reference', async () => {
    const { log, clock, records } = recordLog({});
    await log.write(
      event({
        tls: { cipher: 'C', protocolVersion: 'V', peerSubjectName: [] },
        providerName: 'p',
        sessionId: 's',
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
