// us per 10 KB message through a session of the SMTP server, policy and disk left out, by who watches:
// node test/bench/smtp-trace.bench.ts [messages]
import { SmtpServer } from '../../src/flow/smtp-server/index.ts';
import { systemClock } from '../../src/io/clock/index.ts';
import { SessionTap, TraceFeed } from '../../src/io/smtp-trace/index.ts';
import type { Transport, TransportHandler } from '../../src/model/index.ts';
import { TestServer } from '../kit/smtp-session.ts';

const messages = Number(process.argv[2] ?? 20_000);
const ROUNDS = 5;
const envelope = Buffer.from('MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n');
const body = Buffer.from(`Subject: x\r\n\r\n${`${'x'.repeat(76)}\r\n`.repeat(128)}.\r\n`);

const kit = new TestServer({ options: { max_messages_per_connection: Number.POSITIVE_INFINITY } });
let answered = 0;

/** A client that says what it is made to, and counts what it hears. */
class Client implements Transport {
  readonly remote = { address: '127.0.0.1', port: 4711 };
  readonly local = { address: '127.0.0.1', port: 25 };
  handler!: TransportHandler;
  receive(handler: TransportHandler): void {
    this.handler = handler;
  }
  write(chunk: Buffer | string): boolean {
    answered += chunk.length;
    return true;
  }
  cork(): void {}
  uncork(): void {}
  pause(): void {}
  resume(): void {}
  secure(): Promise<never> {
    throw new Error('no TLS');
  }
  secureAsServer(): Promise<never> {
    throw new Error('no TLS');
  }
  end(): void {}
  destroy(): void {}
}

function client(tap: SessionTap | undefined): Client {
  const server = new SmtpServer({
    ...kit.parameters,
    clock: systemClock,
    ...(tap !== undefined && { trace: tap }),
  });
  const one = new Client();
  server.accept(one);
  one.handler.data(Buffer.from('EHLO client.example\r\n'));
  return one;
}

function watched(by: 'nobody' | 'somebody else' | 'a reader' | 'a slow reader'): SessionTap {
  const tap = new SessionTap(systemClock);
  if (by === 'nobody') return tap;
  const limits = { events: by === 'a slow reader' ? 100 : 131_072, length: 1 << 24 };
  const feed: TraceFeed = new TraceFeed('server', limits, () => {
    if (by !== 'a slow reader') feed.more();
  });
  feed.start(by === 'somebody else' ? { source_addr: ['192.0.2.1'] } : {});
  tap.add(feed);
  return tap;
}

const clients = {
  'without a tap': client(undefined),
  'nobody watches': client(watched('nobody')),
  'somebody watches others': client(watched('somebody else')),
  'a reader keeps up': client(watched('a reader')),
  'a reader has stopped': client(watched('a slow reader')),
};

const best = new Map<string, number>();
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, { handler }] of Object.entries(clients)) {
    const before = process.cpuUsage();
    for (let count = 0; count < messages; count++) {
      handler.data(envelope);
      handler.data(body);
      kit.received.length = 0;
      // The reader gets its turn.
      if (count % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const { user, system } = process.cpuUsage(before);
    best.set(name, Math.min(best.get(name) ?? Number.POSITIVE_INFINITY, (user + system) / messages));
  }
}
for (const [name, microseconds] of best) {
  process.stdout.write(`${name.padEnd(26)} ${microseconds.toFixed(2)} us per message\n`);
}
if (answered < messages * ROUNDS * 100) throw new Error('the messages were not answered');
