/**
 * Durable messages per second of the spools, and memory per queued message. `node test/bench/spool.bench.ts [DIR]`;
 * DIR is on the disk to be measured, default the system's directory for temporary files.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { systemClock } from '../../src/io/clock/index.ts';
import { createMessageIds } from '../../src/io/message-id/index.ts';
import { openLocalDiskSpool, openSegmentSpool } from '../../src/io/spool/index.ts';
import type { Spool, SpoolEntry, SpooledEnvelope } from '../../src/model/index.ts';
import { silentDiagnostics } from '../kit/spool-diagnostics.ts';

const SECONDS = 2;
const BODY = Buffer.alloc(10_240, 'All work and no play makes mail a dull toy.\r\n');
const ENVELOPE: SpooledEnvelope = {
  sender: 'sender@example.com',
  recipients: ['recipient@example.org'],
  meta: {
    queue: 'example.org',
    tenant: 'tenant-1',
    campaign: 'spring',
    reception_protocol: 'ESMTP',
    received_from: '192.0.2.1:40000',
    received_via: '198.51.100.7:25',
    hostname: 'mail.example.com',
  },
};
const base = process.argv[2] ?? tmpdir();
const nextId = createMessageIds({ shard: 0 });
const kinds = { 'segment log': openSegmentSpool, LocalDisk: openLocalDiskSpool };

async function withSpool<T>(kind: keyof typeof kinds, use: (spool: Spool) => Promise<T>): Promise<T> {
  const path = mkdtempSync(`${base}/moonpost-bench-`);
  const options = { metaPath: `${path}/meta`, dataPath: `${path}/data` };
  const spool = await kinds[kind]({ ...options, clock: systemClock, diagnostics: silentDiagnostics() });
  try {
    return await use(spool);
  } finally {
    await spool.close();
    rmSync(path, { recursive: true, force: true });
  }
}

/** Messages per second, and microseconds of CPU for each, of so many writers that store and remove. */
async function rate(kind: keyof typeof kinds, writers: number): Promise<{ rate: number; cpu: number }> {
  return withSpool(kind, async (spool) => {
    await spool.enumerate(() => {});
    let stored = 0;
    let end = performance.now() + SECONDS * 250;
    const writer = async (): Promise<void> => {
      while (performance.now() < end) {
        const entry = await spool.store(nextId(), ENVELOPE, BODY);
        spool.remove(entry);
        stored++;
      }
    };
    const run = (): Promise<unknown> => Promise.all(Array.from({ length: writers }, writer));
    await run();
    stored = 0;
    const cpu = process.cpuUsage();
    const start = performance.now();
    end = start + SECONDS * 1000;
    await run();
    const { user, system } = process.cpuUsage(cpu);
    return { rate: (stored / (performance.now() - start)) * 1000, cpu: (user + system) / stored };
  });
}

function anonymousBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  const match = /RssAnon:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'));
  return match === null ? process.memoryUsage().heapUsed : Number(match[1]) * 1024;
}

async function memory(count: number): Promise<{ anonymous: number; heap: number; enumeration: number }> {
  const path = mkdtempSync(`${base}/moonpost-bench-`);
  const options = {
    metaPath: `${path}/m`,
    dataPath: `${path}/d`,
    clock: systemClock,
    diagnostics: silentDiagnostics(),
  };
  try {
    const spool = await openSegmentSpool({ ...options, flush: false });
    const body = Buffer.alloc(100, 'x');
    const store = (): Promise<SpoolEntry> => spool.store(nextId(), ENVELOPE, body);
    for (let done = 0; done < count; done += 1000) await Promise.all(Array.from({ length: 1000 }, store));
    await spool.close();
    const again = await openSegmentSpool(options);
    const entries: SpoolEntry[] = new Array(count);
    let visited = 0;
    const before = anonymousBytes();
    const heapBefore = process.memoryUsage().heapUsed;
    const start = performance.now();
    await again.enumerate(({ entry }) => {
      entries[visited++] = entry;
    });
    const enumeration = performance.now() - start;
    for (const entry of entries) again.saveProgress(entry, { attempts: 3, due: Date.now() });
    await again.flush();
    const grown = anonymousBytes() - before;
    const heap = process.memoryUsage().heapUsed - heapBefore;
    await again.close();
    return { anonymous: grown / entries.length, heap: heap / entries.length, enumeration };
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

const fastest = new Map<number, number>();
for (const kind of Object.keys(kinds) as (keyof typeof kinds)[]) {
  for (const writers of [1, 100]) {
    const { rate: perSecond, cpu } = await rate(kind, writers);
    if (!fastest.has(writers)) fastest.set(writers, perSecond);
    const ratio = (perSecond / fastest.get(writers)!).toFixed(2);
    const figures = `${perSecond.toFixed(0)} messages/s, ${cpu.toFixed(0)} us CPU each, ratio ${ratio}`;
    console.log(`${kind}, ${writers} writers, 10 KB, stored and removed: ${figures}`);
  }
}
const { anonymous, heap, enumeration } = await memory(200_000);
console.log(
  `segment log, 200,000 entries with progress: ${heap.toFixed(0)} B of heap, ${anonymous.toFixed(0)} B RssAnon each`,
);
console.log(`segment log, enumeration of 200,000 messages: ${enumeration.toFixed(0)} ms`);
