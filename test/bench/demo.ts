/**
 * `npm run demo`: a server and a sink of ours, and 1,000 messages through them. Everything it makes is below one
 * temporary directory, which it removes. Exit code 0 when all arrived.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSink } from '../../src/cli/sink.ts';
import { eventually } from '../kit/eventually.ts';
import { inject } from '../kit/injector.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';

const COUNT = 1000;
const WIDTH = 40;
const isTerminal = process.stdout.isTTY === true;

/** A bar that is redrawn on a terminal, and a line for every quarter elsewhere. */
class Progress {
  #quarter = 0;

  show(done: number, what: string): void {
    if (isTerminal) {
      const filled = Math.round((done / COUNT) * WIDTH);
      process.stdout.write(`\r${what} [${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ${done}/${COUNT}`);
      if (done === COUNT) process.stdout.write('\n');
      return;
    }
    const quarter = Math.floor((done * 4) / COUNT);
    if (quarter > this.#quarter) process.stdout.write(`${what} ${done}/${COUNT}\n`);
    this.#quarter = quarter;
  }
}

const policyFor = (port: number): string => initLua() + relayLua(port, { queue: "retry_interval = '1s'" });

async function run(): Promise<boolean> {
  const sink = await startSink({ listen: ['127.0.0.1:0'] });
  const server = await Moonpost.start({ policy: policyFor(sink.addresses[0]!.port), shards: 2 });
  try {
    const sinkPort = sink.addresses[0]!.port;
    process.stdout.write(`moonpost on 127.0.0.1:${server.smtp}, sink on 127.0.0.1:${sinkPort}\n`);
    const injecting = new Progress();
    let done = 0;
    const started = performance.now();
    const { accepted } = await inject(server.smtp, {
      count: COUNT,
      sessions: 20,
      size: 10_000,
      recipient: (number) => `user${number}@domain${number % 10}.example`,
      onAccepted: () => injecting.show(++done, 'injected '),
    });
    const delivering = new Progress();
    await eventually(() => {
      delivering.show(Math.min(sink.counts().messages, COUNT), 'delivered');
      return sink.counts().messages >= accepted.size ? true : undefined;
    });
    const seconds = (performance.now() - started) / 1000;
    await server.untilCounts({ Delivery: accepted.size });
    const counts = server.counts();
    process.stdout.write(
      `received  ${counts.Reception ?? 0}\ndelivered ${counts.Delivery ?? 0}\n` +
        `deferred  ${(counts.TransientFailure ?? 0) + (counts.Delayed ?? 0)}\n` +
        `rate      ${Math.round(accepted.size / seconds)} messages/s over ${seconds.toFixed(2)} s\n`,
    );
    const code = await server.stop();
    return code === 0 && counts.Delivery === COUNT && sink.counts().messages === COUNT;
  } finally {
    await sink.stop();
  }
}

const temporary = mkdtempSync(join(tmpdir(), 'moonpost-demo-'));
process.env.TMPDIR = temporary;
// Ctrl-C leaves no server behind.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void Moonpost.disposeAll().then(() => {
      rmSync(temporary, { recursive: true, force: true });
      process.exit(1);
    });
  });
}
try {
  if (!(await run())) process.exitCode = 1;
} finally {
  await Moonpost.disposeAll();
  rmSync(temporary, { recursive: true, force: true });
}
