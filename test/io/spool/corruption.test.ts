import { describe, expect, test } from 'vitest';
import {
  openSegmentSpool,
  type SegmentSpool,
  type SegmentSpoolOptions,
} from '../../../src/io/spool/index.ts';
import { type EnumeratedMessage, SpoolDamageError, type SpoolEntry } from '../../../src/model/index.ts';
import { envelopeFor, nextId } from '../../contract/spool.ts';
import { PromptClock } from '../../kit/prompt-clock.ts';
import { silentDiagnostics } from '../../kit/spool-diagnostics.ts';
import { VolatileDisk } from '../../kit/volatile-disk.ts';

const diagnostics = silentDiagnostics();

function open(fileSystem: VolatileDisk, options: Partial<SegmentSpoolOptions> = {}): Promise<SegmentSpool> {
  return openSegmentSpool({
    metaPath: '/meta',
    dataPath: '/data',
    clock: new PromptClock(5),
    diagnostics,
    fileSystem,
    ...options,
  });
}

async function filled(count: number, options?: Partial<SegmentSpoolOptions>): Promise<VolatileDisk> {
  const disk = new VolatileDisk();
  const spool = await open(disk, options);
  for (let index = 0; index < count; index++) {
    await spool.store(nextId(), envelopeFor(`${index}@example.org`), Buffer.from(`body ${index}`));
  }
  await spool.close();
  return disk;
}

function pathOf(disk: VolatileDisk, ending: string): string {
  return disk.paths().find((path) => path.endsWith(ending))!;
}

interface Found {
  spool: SegmentSpool;
  numbers: number[];
  messages: EnumeratedMessage[];
  quarantined: number;
}

/** Starts on a disk and reads everything; the numbers are those of messages whose body is right. */
async function start(disk: VolatileDisk): Promise<Found> {
  const spool = await open(disk);
  const messages: EnumeratedMessage[] = [];
  const { quarantined } = await spool.enumerate((message) => void messages.push(message));
  const numbers: number[] = [];
  for (const { entry, envelope } of messages) {
    const number = Number(envelope.recipients[0]!.split('@')[0]);
    try {
      expect((await spool.loadBody(entry)).toString()).toBe(`body ${number}`);
      numbers.push(number);
    } catch (error) {
      expect(error).toBeInstanceOf(SpoolDamageError);
    }
  }
  return { spool, numbers: numbers.sort((a, b) => a - b), messages, quarantined };
}

function segmentPaths(disk: VolatileDisk): string[] {
  return disk.paths().filter((path) => /\.(meta|body)$/.test(path));
}

function copiesIn(disk: VolatileDisk): string[] {
  return disk.paths().filter((path) => path.startsWith('/meta/quarantine/'));
}

describe('flipped bytes', () => {
  test.each(['.meta', '.body'])(
    'any one byte of a %s segment costs at most its own message',
    async (ending) => {
      const original = await filled(4);
      const length = original.bytesOf(pathOf(original, ending)).length;
      for (let at = 0; at < length; at++) {
        const disk = original.afterKill();
        const path = pathOf(disk, ending);
        disk.bytesOf(path)[at]! ^= 0x41;
        const { spool, numbers, quarantined } = await start(disk);
        expect(numbers.length, `byte ${at}`).toBeGreaterThanOrEqual(3);
        // Whoever lost a message finds what is left of it in the quarantine.
        if (numbers.length === 3) expect(copiesIn(disk).length, `byte ${at}`).toBe(1);
        if (ending === '.meta' && numbers.length === 3) expect(quarantined, `byte ${at}`).toBe(1);
        await spool.close();
      }
    },
  );

  test('damaged metadata is cleared away: the next start finds none, and all other mail', async () => {
    const disk = await filled(6);
    disk.bytesOf(pathOf(disk, '.meta'))[32 + 60]! ^= 1;
    const first = await start(disk);
    expect(first.quarantined).toBe(1);
    await first.spool.compact();
    await first.spool.close();
    const second = await start(disk.afterKill());
    expect(second.quarantined).toBe(0);
    expect(second.numbers).toEqual(first.numbers);
    expect(second.numbers.length).toBe(5);
  });

  test('a damaged body is reported when it is loaded, and the message can be removed', async () => {
    const disk = await filled(2);
    const path = pathOf(disk, '.body');
    const bytes = disk.bytesOf(path);
    bytes[bytes.length - 1]! ^= 1;
    diagnostics.lines.length = 0;
    const { spool, messages, numbers } = await start(disk);
    expect(numbers).toEqual([0]);
    expect(diagnostics.lines.join('\n')).toMatch(
      /^error spool: the body of message [0-9a-f]{32} is damaged; a copy is in/,
    );
    for (const { entry } of messages) spool.remove(entry);
    await spool.flush();
    expect((await start(disk.afterKill())).messages).toEqual([]);
  });

  test('when no copy can be made, the segment stays', async () => {
    const disk = await filled(3);
    const path = pathOf(disk, '.meta');
    disk.bytesOf(path)[32 + 60]! ^= 1;
    disk.fault = (call, where) => (call === 'create' && where.includes('quarantine') ? 'ENOSPC' : undefined);
    const { spool, messages } = await start(disk);
    for (const { entry } of messages) spool.remove(entry);
    await spool.flush();
    await spool.compact();
    expect(disk.paths()).toContain(path);
  });
});

describe('torn tails', () => {
  test.each(['.meta', '.body'])('a %s segment cut at any length: what was whole is back', async (ending) => {
    const original = await filled(3);
    const full = original.bytesOf(pathOf(original, ending));
    let best = 0;
    for (let length = 0; length <= full.length; length++) {
      const disk = original.afterKill();
      disk.setBytes(pathOf(disk, ending), Buffer.from(full.subarray(0, length)));
      const { spool, numbers } = await start(disk);
      expect(numbers.length, `length ${length}`).toBeGreaterThanOrEqual(best);
      expect(numbers).toEqual([0, 1, 2].slice(0, numbers.length));
      best = numbers.length;
      // And new mail is safe.
      await spool.store(nextId(), envelopeFor('9@example.org'), Buffer.from('body 9'));
      const again = await start(disk.afterKill());
      expect(again.numbers, `length ${length}`).toEqual([...numbers, 9]);
    }
    expect(best).toBe(3);
  });

  test('blocks that were never filled are no damage', async () => {
    const disk = await filled(2);
    const path = pathOf(disk, '.meta');
    disk.setBytes(path, Buffer.concat([disk.bytesOf(path), Buffer.alloc(5000)]));
    const { numbers, quarantined } = await start(disk);
    expect(numbers).toEqual([0, 1]);
    expect(quarantined).toBe(0);
  });
});

describe('whole segments', () => {
  test('one in which nothing can be read is set aside, and the others are back', async () => {
    const disk = await filled(6, { metaSegmentBytes: 400 });
    const path = pathOf(disk, '.meta');
    const bytes = disk.bytesOf(path);
    for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 7) & 0xff;
    const { numbers, quarantined } = await start(disk);
    expect(quarantined).toBe(1);
    expect(numbers.length).toBeGreaterThan(2);
    expect(disk.paths()).not.toContain(path);
    expect(copiesIn(disk).length).toBe(1);
  });

  test('one that gives EIO is set aside', async () => {
    const disk = await filled(6, { metaSegmentBytes: 400 });
    const path = pathOf(disk, '.meta');
    disk.fault = (call, where) => (call === 'read' && where === path ? 'EIO' : undefined);
    const { numbers, quarantined } = await start(disk);
    expect(quarantined).toBe(1);
    expect(numbers.length).toBeGreaterThan(2);
    expect(copiesIn(disk).length).toBe(1);
  });

  test('being short of descriptors is not damage', async () => {
    const disk = await filled(3);
    let failures = 3;
    disk.fault = (call) => (call === 'open' && failures-- > 0 ? 'EMFILE' : undefined);
    const spool = await open(disk, { clock: new PromptClock(200) });
    expect(await spool.enumerate(() => {})).toEqual({ messages: 3, quarantined: 0 });
    expect(failures).toBeLessThan(0);
  });

  test('one that cannot even be opened is set aside, and a body segment keeps its messages', async () => {
    const disk = await filled(6, { metaSegmentBytes: 400 });
    const path = pathOf(disk, '.meta');
    disk.fault = (call, where) =>
      (call === 'open' && where === path) || (call === 'size' && where.endsWith('.body')) ? 'EIO' : undefined;
    const { numbers, quarantined } = await start(disk);
    expect(quarantined).toBe(1);
    expect(numbers.length).toBeGreaterThan(2);
  });

  test('messages whose body segment is missing are set aside', async () => {
    const disk = await filled(3);
    await disk.unlink(pathOf(disk, '.body'));
    const { messages, quarantined } = await start(disk);
    expect(messages).toEqual([]);
    expect(quarantined).toBe(3);
    expect(copiesIn(disk).length).toBe(3);
  });

  test('a segment of a newer format ends the start and is not touched', async () => {
    const disk = await filled(1);
    const path = pathOf(disk, '.meta');
    const bytes = disk.bytesOf(path);
    const { crc32 } = await import('node:zlib');
    bytes[9] = 2;
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 28)), 28);
    const spool = await open(disk);
    await expect(spool.enumerate(() => {})).rejects.toThrow(
      `${path} was written by another version of Moonpost`,
    );
    expect(disk.paths()).toContain(path);
  });
});

describe('space', () => {
  const small = { metaSegmentBytes: 2000, bodySegmentBytes: 2000 };

  test('segments in which nothing lives are unlinked', async () => {
    const disk = new VolatileDisk();
    const spool = await open(disk, small);
    for (let round = 0; round < 50; round++) {
      const entry = await spool.store(nextId(), envelopeFor(), Buffer.alloc(500, 'x'));
      spool.remove(entry);
      await spool.flush();
    }
    await spool.compact();
    expect(segmentPaths(disk).length).toBeLessThanOrEqual(3);
    expect(disk.openFiles).toBeLessThanOrEqual(4);
  });

  test('a few old messages do not keep the space of many new ones', async () => {
    const disk = new VolatileDisk();
    const spool = await open(disk, small);
    const kept: string[] = [];
    for (let index = 0; index < 400; index++) {
      const entry = await spool.store(
        nextId(),
        envelopeFor(`${index}@example.org`),
        Buffer.from(`body ${index}`.padEnd(9)),
      );
      if (index % 40 === 0) kept.push(entry.id);
      else spool.remove(entry);
    }
    await spool.flush();
    await spool.compact();
    const bytes = segmentPaths(disk).reduce((sum, path) => sum + disk.bytesOf(path).length, 0);
    expect(bytes).toBeLessThan(14_000);
    const next = await open(disk.afterPowerCut(), small);
    const found: string[] = [];
    await next.enumerate(({ entry }) => void found.push(entry.id));
    expect(found.sort()).toEqual(kept.sort());
  });

  test('a message can be loaded while compaction moves it', async () => {
    const disk = new VolatileDisk();
    const spool = await open(disk, small);
    const entries = [];
    for (let index = 0; index < 12; index++) {
      entries.push(await spool.store(nextId(), envelopeFor(), Buffer.from(`body ${index}`.padEnd(400))));
    }
    for (const [index, entry] of entries.entries()) if (index % 4 !== 0) spool.remove(entry);
    await spool.flush();
    const compacting = spool.compact();
    let loads = 0;
    const reading = (async () => {
      for (; loads < 60; loads++) {
        for (const index of [0, 4, 8]) {
          expect((await spool.loadBody(entries[index]!)).toString()).toBe(`body ${index}`.padEnd(400));
          expect(await spool.loadEnvelope(entries[index]!)).toEqual(envelopeFor());
        }
      }
    })();
    await Promise.all([compacting, reading]);
    expect(loads).toBe(60);
  });

  test('compaction that fails leaves everything readable and is tried again', async () => {
    const disk = new VolatileDisk();
    const clock = new PromptClock(5);
    const spool = await open(disk, { ...small, clock });
    const entries = [];
    for (let index = 0; index < 12; index++) {
      entries.push(await spool.store(nextId(), envelopeFor(), Buffer.alloc(400, 'x')));
    }
    for (const entry of entries.slice(1)) spool.remove(entry);
    await spool.flush();
    disk.fault = (call, path) => (call === 'writev' && path.endsWith('.body') ? 'ENOSPC' : undefined);
    await spool.compact();
    expect((await spool.loadBody(entries[0]!)).length).toBe(400);
    disk.fault = undefined;
    await clock.advance(60_000);
    await spool.compact();
    expect(disk.paths().filter((path) => path.endsWith('.body')).length).toBeLessThanOrEqual(2);
    expect((await spool.loadBody(entries[0]!)).length).toBe(400);
  });

  test('a disk that the spool has filled itself gets room again by removals', async () => {
    const disk = new VolatileDisk();
    const clock = new PromptClock(5);
    disk.capacity = 40_000;
    const spool = await open(disk, { ...small, clock });
    const entries: SpoolEntry[] = [];
    let rejected = 0;
    while (rejected < 20) {
      const storing = spool.store(
        nextId(),
        envelopeFor(),
        Buffer.alloc(Math.max(400 - 20 * rejected, 1), 'x'),
      );
      await storing.then((entry) => entries.push(entry)).catch(() => rejected++);
    }
    expect(entries.length).toBeGreaterThan(10);
    for (const entry of entries) spool.remove(entry);
    await spool.flush();
    await spool.compact();
    await spool.store(nextId(), envelopeFor(), Buffer.alloc(400, 'x'));
    await spool.close();
    expect(disk.paths()).toContain('/meta/reserve');
    expect(segmentPaths(disk).length).toBeLessThanOrEqual(4);
  });

  test('closing on a full disk says so and leaves no timer', async () => {
    const disk = new VolatileDisk();
    const clock = new PromptClock(5);
    const spool = await open(disk, { ...small, clock });
    spool.remove(await spool.store(nextId(), envelopeFor(), Buffer.from('x')));
    disk.fault = (call) => (call === 'writev' ? 'ENOSPC' : undefined);
    await expect(spool.close()).rejects.toThrow('ENOSPC');
    await clock.advance(1000);
    expect(clock.pending).toBe(0);
    expect(disk.openFiles).toBe(0);
  });
});
