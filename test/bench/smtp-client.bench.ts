// CPU of the SMTP client per 10 KB message, against a peer in the same process that only counts octets. The peer's
// own share, measured by a client that sends the same octets without looking at them, is taken off.
// node test/bench/smtp-client.bench.ts [messages] [connections]

import { isAscii } from 'node:buffer';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { connectSmtp } from '../../src/flow/delivery/index.ts';
import { systemClock } from '../../src/io/clock/index.ts';
import { dial } from '../../src/io/net/index.ts';
import type { Transport, TransportHandler } from '../../src/model/index.ts';
import { defaultEgressPathOptions } from '../../src/model/options/index.ts';
import { dotStuff, EnvelopeAddress } from '../../src/protocol/smtp/index.ts';
import { testSecurity } from '../kit/peer-security.ts';

const messages = Number(process.argv[2] ?? 20_000);
const connections = Number(process.argv[3] ?? 20);
const body = Buffer.from(`${'x'.repeat(78)}\r\n`.repeat(128));
const sender = EnvelopeAddress.parse('sender@example.org')!;
const recipients = [EnvelopeAddress.parse('recipient@example.org')!];
const END = Buffer.from('\r\n.\r\n');

/** Answers an envelope that ends in DATA, and a body that ends in a dot; looks only at the last octets. */
function peer(socket: Socket): void {
  let last: Buffer = Buffer.alloc(0);
  socket.write('220 peer\r\n');
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    const tail = chunk.length >= 6 ? chunk.subarray(-6) : Buffer.concat([last, chunk]).subarray(-6);
    last = tail;
    if (tail.subarray(-5).equals(END)) socket.write('250 2.0.0 ok queued as 12345\r\n');
    else if (tail.equals(DATA)) {
      const rset = chunk[0] === 0x52;
      socket.write(`${rset ? '250 2.0.0 ok\r\n' : ''}250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go ahead\r\n`);
    } else if (chunk[0] === 0x45)
      socket.write('250-peer\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 0\r\n');
    else if (chunk[0] === 0x51) socket.end('221 bye\r\n');
  });
}
const DATA = Buffer.from('DATA\r\n');

async function measure(run: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / messages;
}

const server = createServer(peer).listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const { port } = server.address() as AddressInfo;

async function withClient(): Promise<void> {
  let left = messages;
  const path = { ...defaultEgressPathOptions(), enable_tls: 'Disabled' as const };
  const source = { name: 'unspecified', source_address: undefined };
  const one = async (): Promise<void> => {
    const candidate = { name: 'peer', address: '127.0.0.1', port };
    const session = await connectSmtp({
      candidate,
      path,
      source,
      ehloName: 'me',
      dial,
      clock: systemClock,
      security: testSecurity(),
      queue: 'q',
    });
    while (left-- > 0) {
      const result = await session.attempt({ sender, recipients, body });
      if (result.outcomes[0]?.outcome.kind !== 'delivered') throw new Error('not delivered');
    }
    await session.quit();
  };
  await Promise.all(Array.from({ length: connections }, one));
}

async function withoutClient(): Promise<void> {
  let left = messages;
  const envelope =
    'RSET\r\nMAIL FROM:<sender@example.org> SIZE=10240\r\nRCPT TO:<recipient@example.org>\r\nDATA\r\n';
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1').setNoDelay(true);
      let inBody = true;
      socket.on('close', () => resolve());
      socket.on('data', () => {
        if (!inBody) {
          socket.cork();
          socket.write(body);
          socket.write('.\r\n');
          socket.uncork();
        } else if (left-- > 0) socket.write(envelope);
        else socket.destroy();
        inBody = !inBody;
      });
    });
  await Promise.all(Array.from({ length: connections }, one));
}

const REPLIES = Buffer.from('250 2.0.0 ok\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go ahead\r\n');
const QUEUED = Buffer.from('250 2.0.0 ok queued as 12345\r\n');

/** The client with a transport that answers by itself: what is left is JavaScript and timers. */
async function inMemory(): Promise<void> {
  let handler: TransportHandler | undefined;
  const answer = (chunk: Buffer): void => {
    setImmediate(() => handler?.data(chunk));
  };
  const transport: Transport = {
    remote: { address: '127.0.0.1', port: 25 },
    local: { address: '127.0.0.1', port: 26 },
    receive: (given) => {
      handler = given;
      answer(Buffer.from('220 peer\r\n'));
    },
    write: (chunk) => {
      if (typeof chunk !== 'string') {
        if (chunk.length < 10) answer(QUEUED);
      } else if (chunk.startsWith('EHLO'))
        answer(Buffer.from('250-peer\r\n250-PIPELINING\r\n250 SIZE 0\r\n'));
      else if (chunk.startsWith('MAIL')) answer(REPLIES.subarray(14));
      else answer(REPLIES);
      return true;
    },
    cork: () => {},
    uncork: () => {},
    pause: () => {},
    resume: () => {},
    secure: () => Promise.reject(new Error('no TLS in memory')),
    secureAsServer: () => Promise.reject(new Error('no TLS in memory')),
    end: () => {},
    destroy: () => {},
  };
  const path = { ...defaultEgressPathOptions(), enable_tls: 'Disabled' as const };
  const source = { name: 'unspecified', source_address: undefined };
  const candidate = { name: 'peer', address: '127.0.0.1', port: 25 };
  const inMemoryDial = async (): Promise<Transport> => transport;
  const session = await connectSmtp({
    candidate,
    path,
    source,
    ehloName: 'me',
    dial: inMemoryDial,
    clock: systemClock,
    security: testSecurity(),
    queue: 'q',
  });
  for (let sent = 0; sent < messages; sent++) await session.attempt({ sender, recipients, body });
}

function time(name: string, run: () => unknown): void {
  for (let turn = 0; turn < 5000; turn++) run();
  const begin = process.hrtime.bigint();
  for (let turn = 0; turn < 50_000; turn++) run();
  console.log(
    `${name.padEnd(34)} ${(Number(process.hrtime.bigint() - begin) / 50_000 / 1000).toFixed(2)} us`,
  );
}

time('dotStuff, nothing to stuff', () => dotStuff(body));
const dotted = Buffer.from(`.${'x'.repeat(77)}\r\n`.repeat(128));
time('dotStuff, every line', () => dotStuff(dotted));
time('isAscii', () => isAscii(body));
await inMemory();
const alone = await measure(inMemory);
console.log(`client without sockets             ${alone.toFixed(1)} us CPU per 10 KB message`);
await withClient();
await withoutClient();
const whole = await measure(withClient);
const floor = await measure(withoutClient);
console.log(
  `client and peer                    ${whole.toFixed(1)} us CPU per 10 KB message, ${connections} connections`,
);
console.log(`bare sockets and peer              ${floor.toFixed(1)} us`);
console.log(`the client's own part              ${(whole - floor).toFixed(1)} us`);
server.close();
