import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { requireCommand } from '../kit/peer.ts';

// threats.md 2.1, from a socket that is not ours: nothing between here and the server mends an octet.
const ENDINGS: Record<string, string> = {
  'LF . LF': '\n.\n',
  'LF . CRLF': '\n.\r\n',
  'CR . CR': '\r.\r',
  'CRLF . LF': '\r\n.\n',
  'CRLF . CR': '\r\n.\r',
  'CR . CRLF': '\r.\r\n',
  'LF . CR': '\n.\r',
  'CR . LF': '\r.\n',
  'CRLF NUL . CRLF': '\r\n\0.\r\n',
  'CRLF . NUL CRLF': '\r\n.\0\r\n',
  'LF CR . CRLF': '\n\r.\r\n',
  'CR CRLF . CR CRLF': '\r\r\n.\r\r\n',
};

let python: string;
let server: Moonpost;
let drop: MailDrop;

beforeAll(async () => {
  python = requireCommand('python3', 'apt-get install python3');
  drop = await MailDrop.start();
  server = await Moonpost.start({ policy: initLua() + relayLua(drop.port) });
});
afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
});

/** Everything that the server says to these octets, until it closes. Sent whole, or an octet at a time. */
async function talk(octets: string, piecemeal: boolean): Promise<string> {
  const script = `
import base64, socket, sys
s = socket.create_connection(('127.0.0.1', ${server.smtp}), timeout=30)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
octets = base64.b64decode('${Buffer.from(octets, 'latin1').toString('base64')}')
said = b''
try:
    ${piecemeal ? 'for n in range(len(octets)): s.sendall(octets[n:n+1])' : 's.sendall(octets)'}
except OSError: pass
while True:
    try: more = s.recv(65536)
    except OSError: break
    if not more: break
    said += more
sys.stdout.buffer.write(said)`;
  const child = spawn(python, ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    output += text;
  });
  await once(child, 'close');
  return output;
}

test.each(
  Object.entries(ENDINGS).flatMap(([name, ending]) => [
    [name, 'whole', ending, false],
    [name, 'octet by octet', ending, true],
  ]) as [string, string, string, boolean][],
)('%s is no end of data, %s', async (_name, _how, ending, piecemeal) => {
  const envelope = 'MAIL FROM:<sender@example.org>\r\nRCPT TO:<rcpt@dest.example>\r\nDATA\r\n';
  const smuggled =
    'MAIL FROM:<smuggled@example.org>\r\nRCPT TO:<victim@dest.example>\r\nDATA\r\nevil\r\n.\r\n';
  const said = await talk(
    `EHLO python.example\r\n${envelope}Subject: x\r\n\r\none${ending}${smuggled}QUIT\r\n`,
    piecemeal,
  );
  expect(said).toMatch(/^552 5\.6\.0 /m);
  expect(said).not.toMatch(/^250 OK ids=/m);
  // Refused and closed: not one more reply, least of all to what would have been commands.
  expect(said.trimEnd().split('\r\n').at(-1)).toMatch(/^552 5\.6\.0 /);
});

test('the log knows of as many refusals and of nothing else', async () => {
  const wanted = { Rejection: 2 * Object.keys(ENDINGS).length };
  await server.untilCounts(wanted);
  expect(await server.stop()).toBe(0);
  expect(server.counts()).toEqual(wanted);
  expect(drop.messages).toEqual([]);
});
