import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import {
  formatCounts,
  parseFailRule,
  type Sink,
  type SinkEnd,
  type SinkOptions,
  type SinkVisit,
  startSink,
} from '../../src/cli/sink.ts';
import { parseListener, seededRandom } from '../../src/cli/sink-faults.ts';

let ended: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ended) await end();
  ended = [];
});

async function start(options: Partial<SinkOptions> = {}): Promise<Sink> {
  const sink = await startSink({ listen: ['127.0.0.1:0'], ...options });
  ended.push(() => sink.stop());
  return sink;
}

/** Says all of it at once and gives back all that the server said. */
async function talk({ addresses }: Sink, ...pieces: string[]): Promise<string> {
  const socket: Socket = connect(addresses[0]!.port, addresses[0]!.address);
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString();
  });
  const closed = once(socket, 'close');
  await once(socket, 'data');
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
  return heard;
}

const envelope = 'EHLO me\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n';

test('counts what it takes and what it refuses', async () => {
  const sink = await start({ fail: [parseFailRule('bob@*:451'), parseFailRule('*@gone.test:550')] });
  const said = await talk(
    sink,
    'EHLO me\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<BOB@x.test>\r\nRCPT TO:<c@gone.test>\r\nRCPT TO:<d@x.test>\r\n',
    'RCPT TO:<e@x.test>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n',
  );
  expect(said).toMatch(/^451 /m);
  expect(said).toMatch(/^550 /m);
  const counts = {
    connections: 1,
    messages: 1,
    recipients: 2,
    bytes: 7,
    rejected: { 451: 1, 550: 1 },
    faults: {},
  };
  expect(sink.counts()).toEqual(counts);
  expect(formatCounts(counts)).toBe(
    'received 1 messages for 2 recipients, 7 bytes, over 1 connections; rejected 451: 1, 550: 1',
  );
});

test.each([
  ['a\r\n..b\r\n.\r\n'],
  ['..\r\n', '.\r\n'],
  ['.', '.\r\n.\r\n'],
  ['a\r\n.', '\r\n'],
  ['a\r', '\n.\r\n'],
  ['.\r\n'],
  ['a\n.\r\nb\r\n.\r\n'],
])('ends a message only where it ends: %j', async (...pieces) => {
  const bodies: string[] = [];
  const sink = await start({ onMessage: ({ body }) => bodies.push(body.toString()) });
  await talk(sink, envelope, ...pieces, 'QUIT\r\n');
  const whole = pieces.join('').slice(0, -3);
  expect(bodies).toEqual([whole.replace(/(^|\r\n)\.\./g, '$1.')]);
  expect(sink.counts().bytes).toBe(bodies[0]!.length);
});

test('message after message in one write', async () => {
  const sink = await start();
  const transaction = 'MAIL FROM:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n';
  const one = `${transaction}body\r\n.\r\n`;
  await talk(sink, `EHLO me\r\n${one.repeat(5)}QUIT\r\n`);
  expect(sink.counts()).toMatchObject({ messages: 5, bytes: 30 });
});

test('keeps messages in a maildir', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sink-'));
  ended.push(() => rm(directory, { recursive: true }));
  const sink = await start({ maildir: join(directory, 'box') });
  await talk(sink, envelope, 'hello\r\n.\r\nQUIT\r\n');
  const [name] = await readdir(join(directory, 'box/new'));
  expect(await readFile(join(directory, 'box/new', name!), 'utf8')).toBe('hello\r\n');
});

/** The same, and what became of the connection: it may end in an error. */
async function outcome(sink: Sink, ...pieces: string[]): Promise<{ said: string; error?: string }> {
  const socket = connect(sink.addresses[0]!.port, sink.addresses[0]!.address);
  let said = '';
  let error: string | undefined;
  socket.on('data', (chunk) => {
    said += chunk.toString();
  });
  socket.on('error', (failure: NodeJS.ErrnoException) => {
    error = failure.code;
  });
  socket.write(pieces.join(''));
  await new Promise((resolve) => socket.on('close', resolve));
  return { said, ...(error !== undefined && { error }) };
}

const message = `${envelope}hello\r\n.\r\nQUIT\r\n`;

test.each([
  ['connect=421', { said: '421 4.3.2 fault of this sink\r\n' }],
  ['connect=close', { said: '' }],
])('%s: nothing more is said', async (fault, expected) => {
  const sink = await start({ listen: [`127.0.0.1:0,${fault}`] });
  expect((await outcome(sink)).said.replace('4.3.2 ', '')).toBe(expected.said.replace('4.3.2 ', ''));
  expect(sink.counts().faults).toEqual({ [fault]: 1 });
});

test.each([
  ['ehlo=501', /^501 /m],
  ['mail=451', /^451 /m],
  ['rcpt=550', /^550 /m],
  ['rcpt=421', /^421 /m],
  ['data=451', /^451 /m],
  ['dot=452', /^452 /m],
  ['dot=421', /^421 /m],
])('%s is what is said at that step, and no message is taken', async (fault, reply) => {
  const ends: SinkEnd[] = [];
  const sink = await start({ listen: [`127.0.0.1:0,${fault}`], onEnd: (end) => ends.push(end) });
  const { said } = await outcome(sink, message);
  expect(said).toMatch(reply);
  expect(sink.counts()).toMatchObject({ messages: 0, faults: { [fault]: 1 } });
  expect(ends.map((end) => end.fault)).toEqual(fault.startsWith('dot') ? [Number(fault.slice(4))] : []);
});

test.each(['mail=reset', 'body=reset', 'dot=reset', 'dot=close'])('%s ends the connection', async (fault) => {
  const sink = await start({ listen: [`127.0.0.1:0,${fault}`] });
  const { said, error } = await outcome(sink, message.replace('hello', 'hello\r\n'.repeat(50_000)));
  expect(said).not.toMatch(/^221/m);
  if (fault.endsWith('reset')) expect(['ECONNRESET', 'EPIPE']).toContain(error);
  expect(sink.counts()).toMatchObject({ messages: 0, faults: { [fault]: 1 } });
});

test('a listener that hangs says nothing more; others have faults of their own', async () => {
  const sink = await start({ listen: ['127.0.0.1:0,dot=hang', '127.0.0.1:0'] });
  const socket = connect(sink.addresses[0]!.port, '127.0.0.1');
  let said = '';
  socket.on('data', (chunk) => {
    said += chunk.toString();
  });
  socket.write(message);
  const { said: other } = await outcome({ ...sink, addresses: [sink.addresses[1]!] }, message);
  expect(other).toMatch(/^221/m);
  while (!/^354/m.test(said)) await once(socket, 'data');
  expect(said).not.toMatch(/^221/m);
  socket.destroy();
});

test('replies drip, octet by octet', async () => {
  const sink = await start({ listen: ['127.0.0.1:0,connect=drip'] });
  const socket = connect(sink.addresses[0]!.port, '127.0.0.1');
  const pieces: string[] = [];
  socket.on('data', (chunk) => pieces.push(chunk.toString()));
  await once(socket, 'data');
  await once(socket, 'data');
  expect(pieces.slice(0, 2)).toEqual(['2', '2']);
  socket.destroy();
});

test('chances are those of the seed', async () => {
  const refused = async (seed: number): Promise<number> => {
    const sink = await start({ listen: ['127.0.0.1:0,rcpt=451@30%'], seed });
    await talk(sink, `EHLO me\r\nMAIL FROM:<a@x.test>\r\n${'RCPT TO:<b@x.test>\r\n'.repeat(200)}QUIT\r\n`);
    return sink.counts().faults['rcpt=451']!;
  };
  const first = await refused(7);
  expect(await refused(7)).toBe(first);
  expect(first).toBeGreaterThan(30);
  expect(first).toBeLessThan(90);
  const next = seededRandom(1);
  const mean = Array.from({ length: 10_000 }, next).reduce((sum, value) => sum + value, 0) / 10_000;
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
});

test('the end of a message is told with the id that the sender gave it', async () => {
  const ends: SinkEnd[] = [];
  const sink = await start({ onEnd: (end) => ends.push(end) });
  const id = '0123456789abcdef0123456789abcdef';
  const received = `Received: from me (127.0.0.1)\r\n  by mx (x)\r\n  with ESMTP id ${id} for <b@x.test>;\r\n`;
  await talk(sink, envelope, `${received}\r\nhi\r\n.\r\nQUIT\r\n`);
  const { port } = sink.addresses[0]!;
  const secure = false;
  const before = performance.timeOrigin + performance.now();
  expect(ends[0]!.at).toBeLessThanOrEqual(before);
  expect(ends).toEqual([
    {
      port,
      at: expect.any(Number),
      client: 'me',
      id,
      sender: 'a@x.test',
      recipients: ['b@x.test'],
      size: received.length + 6,
      secure,
      fault: null,
    },
  ]);
});

test.each(['127.0.0.1:0', '127.0.0.1:0,mail=reset', '127.0.0.1:0,mail=421', '127.0.0.1:0,body=hang'])(
  'a connection is told of from its greeting to its end: %s',
  async (listen) => {
    const visits: SinkVisit[] = [];
    const sink = await start({ listen: [listen], onConnection: (visit) => visits.push(visit) });
    const { port } = sink.addresses[0]!;
    const greeted = connect(port, '127.0.0.1').on('error', () => {});
    greeted.write(`${envelope.replace('EHLO me', 'EHLO one')}${'hello\r\n'.repeat(50_000)}.\r\n`);
    if (listen === '127.0.0.1:0') greeted.write('QUIT\r\n');
    else if (listen.endsWith('hang')) {
      // Nobody reads what it says, and still it must be heard to go.
      while (sink.counts().faults['body=hang'] !== 1) await new Promise((resolve) => setImmediate(resolve));
      greeted.resume().end();
    }
    // Who says nothing is nobody's visit.
    await outcome(await start({ onConnection: (visit) => visits.push(visit) }), 'QUIT\r\n');
    while (visits.length === 0) await new Promise((resolve) => setImmediate(resolve));
    greeted.destroy();
    expect(visits).toEqual([{ port, client: 'one', begun: expect.any(Number), ended: expect.any(Number) }]);
    expect(visits[0]!.ended).toBeGreaterThanOrEqual(visits[0]!.begun);
  },
);

test.each([
  '127.0.0.1:25,rcpt',
  '127.0.0.1:25,rcpt=200',
  '127.0.0.1:25,hello=451',
  '127.0.0.1:25,rcpt=451@x%',
])('--listen %s is refused', (text) => {
  expect(() => parseListener(text)).toThrow('STEP=ACTION');
});

test.each(['WIZ', 'SHELL', 'KILL', 'AUTH PLAIN', 'STARTTLS'])('%s is no command here', async (command) => {
  expect(await talk(await start(), `${command}\r\nQUIT\r\n`)).toMatch(/^500 /m);
});

test('an address that cannot be bound is an error', async () => {
  const { port } = (await start()).addresses[0]!;
  await expect(startSink({ listen: ['127.0.0.1:0', `127.0.0.1:${port}`] })).rejects.toThrow('EADDRINUSE');
  await expect(startSink({ listen: ['nonsense'] })).rejects.toThrow('--listen nonsense');
});

test.each(['bob@*', 'bob@*:250', ':451', 'x:45'])('--fail %s is refused', (text) => {
  expect(() => parseFailRule(text)).toThrow();
});

test('the command prints its counts when it is told to stop', async () => {
  const script =
    "const { sinkCommand } = await import('./src/cli/sink.ts'); await sinkCommand().parseAsync(process.argv.slice(1), { from: 'user' });";
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', script, '--', '--listen', '127.0.0.1:0', '--fail', 'bob@*:451', '--json'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let printed = '';
  child.stdout.on('data', (chunk) => {
    printed += chunk;
  });
  const [line] = await once(child.stderr, 'data');
  const port = Number(/sink listener on 127\.0\.0\.1:(\d+)/.exec(String(line))![1]);
  await talk({ addresses: [{ address: '127.0.0.1', port }] } as Sink, envelope, 'hi\r\n.\r\nQUIT\r\n');
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect((await exited)[0]).toBe(0);
  expect(JSON.parse(printed)).toEqual({
    connections: 1,
    messages: 1,
    recipients: 1,
    bytes: 4,
    rejected: {},
    faults: {},
  });
});
