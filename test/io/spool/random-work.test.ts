import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openSegmentSpool, type SegmentSpool } from '../../../src/io/spool/index.ts';
import type { DeliveryProgress, SpoolEntry } from '../../../src/model/index.ts';
import { enumerated, envelopeFor, nextId } from '../../contract/spool.ts';
import { PromptClock } from '../../kit/prompt-clock.ts';
import { silentDiagnostics } from '../../kit/spool-diagnostics.ts';
import { VolatileDisk } from '../../kit/volatile-disk.ts';

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('store' as const), size: fc.nat({ max: 400 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('remove' as const), which: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('update' as const), which: fc.nat(), to: fc.nat(999) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('progress' as const), which: fc.nat(), due: fc.nat() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('flush' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('start compaction' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('restart' as const),
      how: fc.constantFrom('close', 'kill', 'power', 'power with some'),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Kept {
  entry: SpoolEntry;
  body: string;
  recipient: string;
  /** Values that a restart may bring back: the last durable one, and those noted since. */
  progress: DeliveryProgress[];
}

/** A spool beside a list of what has to be in it. */
class Bench {
  disk = new VolatileDisk();
  spool!: SegmentSpool;
  kept: Kept[] = [];
  /** Removed, and that may not be durable yet. */
  leaving: Kept[] = [];

  async open(): Promise<void> {
    this.spool = await openSegmentSpool({
      metaPath: '/meta/shard-0',
      dataPath: '/data/shard-0',
      clock: new PromptClock(5),
      diagnostics: silentDiagnostics(),
      fileSystem: this.disk,
      metaSegmentBytes: 700,
      bodySegmentBytes: 900,
    });
  }

  async take(action: Step): Promise<void> {
    const chosen = 'which' in action ? this.kept[action.which % Math.max(this.kept.length, 1)] : undefined;
    switch (action.do) {
      case 'store': {
        const body = 'b'.repeat(action.size);
        const entry = await this.spool.store(nextId(), envelopeFor('first@example.org'), Buffer.from(body));
        const progress = [{ attempts: 0, due: 0 }];
        this.kept.push({ entry, body, recipient: 'first@example.org', progress });
        break;
      }
      case 'remove':
        if (chosen === undefined) break;
        this.spool.remove(chosen.entry);
        this.kept.splice(this.kept.indexOf(chosen), 1);
        this.leaving.push(chosen);
        break;
      case 'update':
        if (chosen === undefined) break;
        chosen.recipient = `${action.to}@example.org`;
        await this.spool.updateEnvelope(chosen.entry, envelopeFor(chosen.recipient));
        break;
      case 'progress':
        if (chosen === undefined) break;
        chosen.progress.push({ attempts: chosen.progress.length, due: action.due });
        this.spool.saveProgress(chosen.entry, chosen.progress.at(-1)!);
        break;
      case 'flush':
        await this.spool.flush();
        this.settled();
        break;
      case 'compact':
        await this.spool.compact();
        break;
      case 'start compaction':
        void this.spool.compact();
        break;
      case 'restart':
        await this.restart(action.how);
        break;
    }
  }

  async restart(how: string): Promise<void> {
    if (how === 'close') {
      await this.spool.close();
      this.settled();
      expect(this.disk.openFiles, 'files left open').toBe(0);
    }
    this.disk =
      how === 'power'
        ? this.disk.afterPowerCut()
        : how === 'power with some'
          ? this.disk.afterPowerCut((path) => path.length % 2 === 0 || path.endsWith('2.meta'))
          : this.disk.afterKill();
    await this.open();
    await this.audit();
  }

  async audit(): Promise<void> {
    const found = await enumerated(this.spool);
    const expected = [...this.kept];
    for (const gone of this.leaving) if (found.has(gone.entry.id)) expected.push(gone);
    expect([...found.keys()].sort()).toEqual(expected.map(({ entry }) => entry.id).sort());
    for (const kept of expected) {
      const message = found.get(kept.entry.id)!;
      expect(message.envelope.recipients).toEqual([kept.recipient]);
      expect(kept.progress).toContainEqual(message.progress);
      expect((await this.spool.loadBody(message.entry)).toString()).toBe(kept.body);
      kept.entry = message.entry;
      kept.progress = [message.progress];
    }
    this.kept = expected;
    this.leaving = [];
  }

  settled(): void {
    this.leaving = [];
    for (const kept of this.kept) kept.progress = kept.progress.slice(-1);
  }
}

describe('the segment log under any work', () => {
  test('keeps exactly what it has to keep', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), async (steps) => {
        const bench = new Bench();
        await bench.open();
        await bench.audit();
        for (const action of steps) await bench.take(action);
        await bench.restart('close');
        // And nothing is left behind when everything is gone.
        for (const { entry } of bench.kept.splice(0)) bench.spool.remove(entry);
        await bench.spool.flush();
        await bench.spool.compact();
        const segments = bench.disk.paths().filter((path) => /\.(meta|body)$/.test(path));
        expect(segments.length).toBeLessThanOrEqual(2);
        expect(bench.disk.paths().filter((path) => path.includes('quarantine'))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
