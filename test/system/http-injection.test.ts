import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { injected, postInjection, wanted } from '../kit/http-post.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { countTypes, initLua, Moonpost, relayLua } from '../kit/moonpost.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

const numbered = (from: number, count: number): object[] =>
  Array.from({ length: count }, (_, index) => ({ email: `r${from + index}@dest.example` }));

const recipientsAt = (drop: MailDrop): string[] =>
  drop.messages.flatMap(({ recipients }) => recipients).sort();

const names = (count: number): string[] =>
  Array.from({ length: count }, (_, number) => `r${number}@dest.example`).sort();

test('mail of every form is delivered, with its records and metrics', async () => {
  const drop = await MailDrop.start();
  const handler = `
kumo.on('http_message_generated', function(msg, auth)
  msg:set_meta('tenant', auth.groups[1])
  if msg:recipient().user == 'rejected' then kumo.reject(550, 'not you') end
end)`;
  const server = await Moonpost.start({ policy: initLua() + relayLua(drop.port) + handler });
  const recipients = [
    { email: 'ann@dest.example', name: 'Ann', metadata: { order: 7 } },
    { email: 'rejected@dest.example' },
    { email: 'no address' },
  ];
  expect(await injected(server.http, wanted({ recipients }))).toEqual({
    success_count: 1,
    fail_count: 2,
    failed_recipients: ['rejected@dest.example', 'no address'],
    errors: ['rejected@dest.example: 550 not you', 'no address: it is no mail address'],
  });
  const whole = { content: 'Subject: {{ email }}\nTo: {{ to_header }}\n\nwhole\n' };
  expect((await injected(server.http, wanted(whole))).success_count).toBe(1);
  for (const [coding, pack] of [
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ] as const) {
    const packed = pack(JSON.stringify(wanted({ content: `Subject: ${coding}\n\nx\n` })));
    const { status } = await postInjection(server.http, packed, { 'content-encoding': coding });
    expect(status).toBe(200);
  }
  await drop.until(4);
  const ann = drop.messages.find(({ recipients }) => recipients[0] === 'ann@dest.example')!;
  expect(ann.sender).toBe('sender@source.example');
  expect(ann.body).toMatch(
    /^X-KumoRef: .*\r\nFrom: from@source\.example\r\nSubject: greetings\r\nTo: Ann <ann@/s,
  );
  expect(ann.body).toMatch(/\r\n\r\nHello Ann\r\n$/);
  expect(
    drop.messages.some(({ body }) => body.includes('Subject: rcpt@dest.example\r\nTo: Ann <rcpt@')),
  ).toBe(true);
  const records = await server.untilCounts({ Reception: 4, Delivery: 4 });
  expect(countTypes(records)).toEqual({ Reception: 4, Delivery: 4 });
  const reception = records.find(
    ({ type, recipient }) => type === 'Reception' && recipient === 'ann@dest.example',
  )!;
  expect(reception).toMatchObject({
    queue: 'kumomta:http-listener-trusted-ip@dest.example',
    reception_protocol: 'HTTP',
    peer_address: { name: '', addr: '127.0.0.1' },
    response: { code: 250, content: '', command: null },
    meta: {
      extra: { order: 7 },
      http_auth: '127.0.0.1',
      received_from: '127.0.0.1',
      received_via: '127.0.0.1',
    },
  });
  const metrics = (await (await fetch(`http://127.0.0.1:${server.http}/metrics.json`)).json()) as {
    total_messages_received: { value: { service: Record<string, number> } };
  };
  // Every recipient that was tried counts.
  expect(metrics.total_messages_received.value.service).toMatchObject({ http_listener: 6 });
});

test('a thousand recipients of one request get a message each, over two shards', async () => {
  const drop = await MailDrop.start();
  const server = await Moonpost.start({ policy: initLua() + relayLua(drop.port), shards: 2 });
  const answer = await injected(server.http, wanted({ recipients: numbered(0, 1000) }));
  expect(answer).toEqual({ success_count: 1000, fail_count: 0, failed_recipients: [], errors: [] });
  await server.untilEmpty();
  expect(recipientsAt(drop)).toEqual(names(1000));
  const { Reception, Delivery, Delayed, ...others } = countTypes(
    await server.untilCounts({ Reception: 1000, Delivery: 1000 }),
  );
  // One shard has all of them, which is more than its ready queue holds: some may have waited.
  expect({ Reception, Delivery, others }).toEqual({ Reception: 1000, Delivery: 1000, others: {} });
});

test('what was answered 200 outlives kill -9', async () => {
  const away = await MailDrop.start({ greeting: '421 4.3.0 come back later' });
  const policy = (port: number): string => initLua() + relayLua(port, { queue: "retry_interval = '1s'" });
  const first = await Moonpost.start({ policy: policy(away.port), shards: 2 });
  await Promise.all(
    Array.from({ length: 8 }, (_, request) =>
      injected(first.http, wanted({ recipients: numbered(request * 50, 50) })),
    ),
  );
  await first.kill();
  const drop = await MailDrop.start();
  const second = await Moonpost.start({ policy: policy(drop.port), directory: first.directory, shards: 2 });
  await second.untilEmpty();
  expect(recipientsAt(drop)).toEqual(names(400));
});

test('a request that was put off is made after kill -9, each message once', async () => {
  const drop = await MailDrop.start();
  const handler = `
kumo.on('http_message_generated', function()
  local file = io.open('DIR/go')
  if not file then error 'not yet' end
  file:close()
end)`;
  const policy = initLua() + relayLua(drop.port) + handler;
  const first = await Moonpost.start({ policy });
  const deferred = wanted({ deferred_generation: true, recipients: numbered(0, 50) });
  const zeros = { success_count: 0, fail_count: 0, failed_recipients: [], errors: [] };
  expect(await injected(first.http, deferred)).toEqual(zeros);
  await first.untilCounts({ TransientFailure: 1 });
  await first.kill();
  writeFileSync(join(first.directory, 'go'), '');
  const second = await Moonpost.start({ policy, directory: first.directory });
  await second.untilCounts({ Delivery: 51 });
  await second.untilEmpty();
  expect(recipientsAt(drop)).toEqual(names(50));
  const generator = second.records().filter(({ queue }) => queue === 'generator.kumomta.internal');
  expect(generator.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['Reception', 'TransientFailure', 'Delivery']),
  );
  expect(generator.find(({ type }) => type === 'Delivery')).toMatchObject({
    delivery_protocol: 'HttpInjectionGenerator',
    recipient: '',
    response: { code: 200 },
  });
});

test('while it drains, requests are refused with 503', async () => {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  let isHeld = false;
  const drop = await MailDrop.start({
    hold: () => {
      isHeld = true;
      return gate;
    },
  });
  const server = await Moonpost.start({ policy: initLua() + relayLua(drop.port) });
  await injected(server.http, wanted());
  await eventually(() => isHeld || undefined);
  const stopped = server.stop();
  await server.waitFor('-> stopping');
  const refused = await eventually(async () => {
    const posted = await postInjection(server.http, wanted());
    return posted.status === 200 ? undefined : posted;
  });
  expect(refused).toEqual({ status: 503, text: 'Error: shutting down' });
  open();
  expect(await stopped).toBe(0);
});

describe('bad input', () => {
  const SECRET = 'hunter2-secret';
  let started: Promise<Moonpost> | undefined;
  const server = (): Promise<Moonpost> =>
    (started ??= Moonpost.start({
      policy: initLua().replace(
        "listen = '127.0.0.1:0' }",
        "listen = '127.0.0.1:0', request_body_limit = 3000000 }",
      ),
    }));

  const unfit: [what: string, body: unknown, status: number, text: RegExp][] = [
    ['no JSON', `{"content": "${SECRET}`, 400, /^Error: the body is not JSON$/],
    ['nothing', '', 400, /^Error: /],
    ['null', 'null', 422, /^Error: must be object$/],
    ['a list', [], 422, /^Error: must be object$/],
    ['nothing in it', {}, 422, /^Error: must have required properties envelope_sender, recipients, content$/],
    ['an unknown key', wanted({ colour: SECRET }), 422, /^Error: unknown field `colour`$/],
    ['__proto__', `${JSON.stringify(wanted()).slice(0, -1)},"__proto__":{}}`, 422, /^Error: unknown field/],
    [
      'an unknown key of a recipient',
      wanted({ recipients: [{ email: 'a@b.example', age: 3 }] }),
      422,
      /recipients\.0\.age/,
    ],
    [
      'an unknown key of the content',
      wanted({ content: { text_body: 'x', sms: 'y' } }),
      422,
      /`content\.sms`/,
    ],
    [
      'a key of From',
      wanted({ content: { text_body: 'x', from: { email: 'a@b.example', x: 1 } } }),
      422,
      /content\.from\.x/,
    ],
    ['a number for a text', wanted({ envelope_sender: 5 }), 422, /^Error: envelope_sender: must be string$/],
    ['a text for a list', wanted({ recipients: SECRET }), 422, /^Error: recipients: must be array$/],
    ['a number for content', wanted({ content: 5 }), 422, /^Error: content: expected a string or an object$/],
    ['an unknown dialect', wanted({ template_dialect: 'jinja' }), 422, /^Error: template_dialect: /],
    ['a sender that is none', wanted({ envelope_sender: `${SECRET} x` }), 500, /^Error: envelope_sender: /],
    [
      'a template that is none',
      wanted({ content: { text_body: 'one\ntwo {{ name' } }),
      422,
      /^Error: failed parsing field 'content\.text_body' as template: syntax error: .* \(in template 'text_body\.txt' line 2: 'two \{\{ name'\)$/,
    ],
    [
      'a header that is no template',
      wanted({ content: { text_body: 'x', headers: { 'X-A': '{% if %}' } } }),
      422,
      /^Error: failed parsing field 'headers\['X-A'\]' as template: /,
    ],
    [
      'no body',
      wanted({ content: {} }),
      422,
      /^Error: at least one of text_body and\/or html_body must be given$/,
    ],
    [
      'a From that is none',
      wanted({ content: { text_body: 'x', from: { email: SECRET } } }),
      422,
      /^Error: failed parsing content\.from: /,
    ],
    [
      'a header injection',
      wanted({ content: { text_body: 'x', headers: { 'A\r\nBcc': 'e' } } }),
      422,
      /is no header name$/,
    ],
    [
      'values a mile deep',
      `${JSON.stringify(wanted()).slice(0, -1)},"substitutions":{"x":${'['.repeat(5000)}${']'.repeat(5000)}}}`,
      422,
      /deeper than/,
    ],
    [
      'a huge body',
      wanted({ content: 'x'.repeat(3_000_000) }),
      413,
      /^Failed to buffer the request body: length limit exceeded$/,
    ],
  ];

  test.each(unfit)('%s is refused, and nothing is queued', async (_what, body, status, text) => {
    const { http } = await server();
    const posted = await postInjection(http, body);
    expect(posted.status).toBe(status);
    expect(posted.text).toMatch(text);
    expect(posted.text).not.toContain(SECRET);
  });

  const packed: [what: string, body: () => Uint8Array, coding: string, status: number][] = [
    ['a bomb', () => gzipSync(Buffer.alloc(200_000_000, 0x20)), 'gzip', 413],
    ['a bomb inside the limit', () => gzipSync(Buffer.alloc(2_900_000, 0x20)), 'gzip', 413],
    ['something else', () => Buffer.from('nothing of the kind'), 'gzip', 400],
    ['half of it', () => gzipSync(JSON.stringify(wanted())).subarray(0, 60), 'gzip', 400],
    ['deflate that is none', () => Buffer.from('nothing of the kind'), 'deflate', 400],
    ['another coding', () => Buffer.from('x'), 'br', 415],
    ['two codings', () => gzipSync(gzipSync('{}')), 'gzip, gzip', 415],
  ];

  test.each(packed)('packed: %s', async (_what, body, coding, status) => {
    const { http } = await server();
    const posted = await postInjection(http, body(), { 'content-encoding': coding });
    expect(posted.status).toBe(status);
  });

  test.each(['text/plain', 'application/xml', 'application/x-www-form-urlencoded'])(
    'as %s: 415',
    async (type) => {
      const { http } = await server();
      expect((await postInjection(http, JSON.stringify(wanted()), { 'content-type': type })).status).toBe(
        415,
      );
    },
  );

  test('a page of somebody else may not post', async () => {
    const { http } = await server();
    expect((await postInjection(http, wanted(), { origin: 'https://evil.example' })).status).toBe(403);
  });

  test('a template that takes all memory fails its recipient; the next one goes on', async () => {
    const { http } = await server();
    const greedy = { content: { text_body: '{{ a * 4000000000 }}' }, substitutions: { a: 'a' } };
    expect((await injected(http, wanted(greedy))).fail_count).toBe(1);
    expect(
      (await injected(http, wanted({ content: { text_body: '{{ "a" * 3 }}' }, deferred_spool: true })))
        .success_count,
    ).toBe(1);
  });

  test('bodies that never end keep nobody from posting', async () => {
    const { http } = await server();
    const sockets = Array.from({ length: 200 }, () => {
      const socket = connect(http, '127.0.0.1').on('error', () => {});
      socket.write(
        'POST /api/inject/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{',
      );
      return socket;
    });
    expect((await postInjection(http, { ...wanted(), colour: 1 })).status).toBe(422);
    for (const socket of sockets) socket.destroy();
  });

  test('in the end nothing was queued but what was taken, and no secret is in what the server said', async () => {
    const one = await server();
    await one.untilCounts({ Reception: 1 });
    expect(countTypes(one.records()).Reception).toBe(1);
    expect(one.errors).not.toContain(SECRET);
    expect(await one.stop()).toBe(0);
  });
});
