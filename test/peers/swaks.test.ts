import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { requireCommand, runPeer } from '../kit/peer.ts';

let swaks: string;
let server: Moonpost;
let drop: MailDrop;
let directory: string;
let before = 0;

beforeAll(async () => {
  swaks = requireCommand('swaks', 'apt-get install swaks');
  directory = mkdtempSync(join(tmpdir(), 'swaks-'));
  drop = await MailDrop.start();
  server = await Moonpost.start({
    policy: initLua('', 'max_message_size = 100000') + relayLua(drop.port),
    shards: 2,
  });
});
afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => {
  before = drop.messages.length;
});

/**
 * Sends through swaks in another process while ours answers, and so asynchronous only on our side: the drop runs
 * here, hence nothing is looked at before swaks has ended.
 */
function send(...args: string[]): { code: number | null; output: string } {
  const common = ['--server', '127.0.0.1', '--port', String(server.smtp), '--helo', 'swaks.example'];
  const envelope = ['--from', 'a@example.org', '--to', 'b@dest.example'];
  const { code, output, errors } = runPeer(swaks, [...common, ...envelope, ...args], { cwd: directory });
  return { code, output: output + errors };
}

test('EHLO: what is offered; AUTH not before TLS', () => {
  const { code, output } = send('--quit-after', 'EHLO');
  expect(code).toBe(0);
  for (const word of [
    'PIPELINING',
    'ENHANCEDSTATUSCODES',
    '8BITMIME',
    'SMTPUTF8',
    'SIZE 100000',
    'CHUNKING',
    'STARTTLS',
  ]) {
    expect(output).toContain(word);
  }
  expect(output).not.toContain('AUTH');
});

test('a plain message arrives', async () => {
  const { code, output } = send('--header', 'Subject: from swaks', '--body', 'hello\n.\n..\nend');
  expect(code, output).toBe(0);
  expect(output).toMatch(/<-\s+250 OK ids=[0-9a-f]{32}/);
  await drop.until(before + 1);
  const { body, sender, recipients } = drop.messages.at(-1)!;
  expect({ sender, recipients }).toEqual({ sender: 'a@example.org', recipients: ['b@dest.example'] });
  expect(body).toContain('Subject: from swaks\r\n');
  expect(body).toContain('\r\n\r\nhello\r\n.\r\n..\r\nend');
  expect(body).toContain('Received: from swaks.example (127.0.0.1)');
});

test('pipelining, several recipients, HELO', async () => {
  const piped = send('--pipeline', '--to', 'b@dest.example,c@dest.example,d@other.example');
  expect(piped.code, piped.output).toBe(0);
  expect(piped.output.match(/250 OK ids=(.*)/)![1]!.split(' ')).toHaveLength(3);
  const helo = send('--protocol', 'SMTP');
  expect(helo.code, helo.output).toBe(0);
  await drop.until(before + 4);
});

test('over TLS, with the self-signed certificate that a listener without one makes', async () => {
  const count = drop.messages.length;
  const { code, output } = send('--tls');
  expect(code, output).toBe(0);
  expect(output).toContain('TLS started');
  expect(output).toMatch(/<~\s+250 OK ids=[0-9a-f]{32}/);
  await drop.until(count + 1);
});

test('8-bit text and an attachment arrive octet by octet', async () => {
  const octets = Buffer.from(Array.from({ length: 4096 }, (_, n) => (n * 7) % 256));
  writeFileSync(join(directory, 'odd.bin'), octets);
  const { code, output } = send(
    '--body',
    'Grüße aus Köln',
    '--attach',
    '@odd.bin',
    '--attach-name',
    'odd.bin',
  );
  expect(code, output).toBe(0);
  await drop.until(before + 1);
  const { body } = drop.messages.at(-1)!;
  expect(Buffer.from(body, 'latin1').toString('utf8')).toContain('Grüße aus Köln');
  expect(body.replaceAll('\r\n', '')).toContain(octets.toString('base64'));
});

test('a message that is too big is refused', () => {
  writeFileSync(join(directory, 'big.bin'), Buffer.alloc(150_000));
  const { code, output } = send('--attach', '@big.bin');
  expect(code).toBe(26);
  expect(output).toMatch(/552 5\.3\.4 message too big/);
});
