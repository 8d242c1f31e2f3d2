/**
 * What many queued messages cost a real server: anonymous memory for each, how long it takes to be there after a start,
 * and how soon a message that is due is delivered beside them. Goals: at most 400 bytes of RssAnon each at 1,000,000 messages in 100,000
 * queues, delivery no slower than beside 1,000, mail is taken within 20 s of the start and all is loaded within 60 s.
 * Run: node test/bench/scale.bench.ts [MESSAGES] [QUEUES]
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/io/clock/index.ts';
import { createMessageIds } from '../../src/io/message-id/index.ts';
import { openSegmentSpool } from '../../src/io/spool/index.ts';
import { eventually } from '../kit/eventually.ts';
import { inject } from '../kit/injector.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { initLua, Moonpost, relayLua } from '../kit/moonpost.ts';
import { silentDiagnostics } from '../kit/spool-diagnostics.ts';

const messages = Number(process.argv[2] ?? 1_000_000);
const queues = Number(process.argv[3] ?? 100_000);
const FEW = { messages: 1000, queues: 100 };
const DAY = 86_400_000;
/** Messages written at a time. */
const BATCH = 1000;
/** How long the server may rest before its memory is read, ms; the least reading counts. */
const REST = 45_000;
const PROBES = 100;

interface Figures {
  rssAnon: number;
  ready: number;
  loaded: number;
  median: number;
  p99: number;
}

/** Fills the spool of a server that does not run yet. */
async function fill(directory: string, count: number, names: number): Promise<void> {
  const paths = {
    metaPath: join(directory, 'spool/meta/shard-0'),
    dataPath: join(directory, 'spool/data/shard-0'),
  };
  for (const path of Object.values(paths)) mkdirSync(path, { recursive: true });
  const spool = await openSegmentSpool({ ...paths, clock: systemClock, diagnostics: silentDiagnostics() });
  await spool.enumerate(() => {});
  const nextId = createMessageIds({ shard: 0 });
  const body = Buffer.from('Subject: scale\r\n\r\nwaiting\r\n');
  for (let from = 0; from < count; from += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, count - from) }, async (_, index) => {
      const number = from + index;
      const envelope = {
        sender: 'sender@example.com',
        recipients: [`rcpt-${number}@domain-${number % names}.example`],
        meta: {
          tenant: `tenant-${number % 50}`,
          reception_protocol: 'ESMTP',
          received_from: '192.0.2.1:40000',
        },
      };
      const entry = await spool.store(nextId(), envelope, body);
      spool.saveProgress(entry, { attempts: 1, due: Date.now() + DAY + (number % 1000) * 60_000 });
    });
    await Promise.all(batch);
  }
  await spool.close();
}

/** Milliseconds from `start` until the server takes mail. */
async function firstAccepted(port: number, start: number): Promise<number> {
  for (;;) {
    const { accepted } = await inject(port, { count: 1, sessions: 1 }).catch(() => ({ accepted: new Map() }));
    if (accepted.size > 0) return performance.now() - start;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function rssAnon(pid: number): number {
  return Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]) * 1024;
}

async function measure(count: number, names: number): Promise<Figures> {
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-scale-'));
  await fill(directory, count, names);
  const drop = await MailDrop.start();
  const policy = initLua() + relayLua(drop.port, { queue: "max_age = '60 days'" });
  const start = performance.now();
  const server = Moonpost.spawn({ directory, policy, shards: 1 });
  await server.waitFor('smtp listener');
  server.findPorts();
  const ready = await firstAccepted(server.smtp, start);
  const pattern = new RegExp(`spooled in ${count} msgs`);
  await eventually(() => pattern.test(server.errors) || undefined, {
    patience: 600_000,
    what: () => server.errors,
  });
  const loaded = performance.now() - start;
  const took: number[] = [];
  for (let probe = 0; probe < PROBES; probe++) {
    const before = performance.now();
    const target = drop.messages.length + 1;
    await inject(server.smtp, { count: 1, first: probe + 1, sessions: 1 });
    await eventually(() => drop.messages.length >= target || undefined);
    took.push(drop.messages.at(-1)!.at - before);
  }
  took.sort((a, b) => a - b);
  let least = Number.POSITIVE_INFINITY;
  for (const end = performance.now() + REST; performance.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    least = Math.min(least, rssAnon(server.child.pid!));
  }
  await server.kill();
  await drop.stop();
  rmSync(directory, { recursive: true, force: true });
  return { rssAnon: least, ready, loaded, median: took[PROBES / 2]!, p99: took[PROBES - 1]! };
}

const few = await measure(FEW.messages, FEW.queues);
const many = await measure(messages, queues);
const show = (label: string, { rssAnon, ready, loaded, median, p99 }: Figures): void =>
  console.log(
    `${label.padEnd(34)} RssAnon ${(rssAnon / 2 ** 20).toFixed(0)} MiB; takes mail after ${(ready / 1000).toFixed(1)} s, all loaded after ${(loaded / 1000).toFixed(1)} s; delivered in ${median.toFixed(1)} ms (median), ${p99.toFixed(1)} ms (slowest)`,
  );
show(`${FEW.messages} messages in ${FEW.queues} queues`, few);
show(`${messages} messages in ${queues} queues`, many);
console.log(
  `${((many.rssAnon - few.rssAnon) / (messages - FEW.messages)).toFixed(0)} bytes of RssAnon for each (goal 400); delivery beside them takes ${(many.median / few.median).toFixed(2)} of the time`,
);
await Moonpost.disposeAll();
