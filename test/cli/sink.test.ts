import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { formatCounts, parseFailRule, type Sink, type SinkOptions, startSink } from '../../src/cli/sink.ts';

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
  const counts = { connections: 1, messages: 1, recipients: 2, bytes: 7, rejected: { 451: 1, 550: 1 } };
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
  expect(JSON.parse(printed)).toEqual({ connections: 1, messages: 1, recipients: 1, bytes: 4, rejected: {} });
});
