import { describe, expect, test } from 'vitest';
import type { Spool, SpoolEntry } from '../../src/model/index.ts';
import { SpoolWriteError } from '../../src/model/index.ts';
import { type Fault, VolatileDisk } from '../kit/volatile-disk.ts';
import { enumerated, envelopeFor, nextId } from './spool.ts';

type Open = (disk: VolatileDisk) => Promise<Spool>;

/** What the callers of a spool were told, by message id. */
interface Ledger {
  /** Bodies of messages whose `store` resolved and that were not removed. */
  accepted: Map<string, string>;
  rejected: Set<string>;
  /** The last recipient whose update resolved. */
  updated: Map<string, string>;
  /** Updates whose promise was not settled or was rejected. */
  updateRejected: Set<string>;
  /** Bodies that a change is writing, which may be there already. */
  replacing: Map<string, string>;
  removed: Set<string>;
}

const LARGE = 'l'.repeat(2000);

/** Stores, changes and removes a handful of messages, and notes what came of it. Never rejects, whatever fails. */
async function work(spool: Spool, ledger: Ledger): Promise<void> {
  const store = async (body: string): Promise<SpoolEntry | undefined> => {
    const id = nextId();
    try {
      const entry = await spool.store(id, envelopeFor(), Buffer.from(body));
      ledger.accepted.set(id, body);
      return entry;
    } catch (error) {
      expect(error).toBeInstanceOf(SpoolWriteError);
      ledger.rejected.add(id);
      return undefined;
    }
  };
  const first = await Promise.all([store('one'), store(`two ${LARGE}`), store('three')]);
  const [updated, removed, delayed] = first;
  if (delayed !== undefined) spool.saveProgress(delayed, { attempts: 2, due: 12345 });
  await store('four');
  if (updated !== undefined) {
    try {
      await spool.updateEnvelope(updated, envelopeFor('new@example.org'));
      ledger.updated.set(updated.id, 'new@example.org');
    } catch (error) {
      expect(error).toBeInstanceOf(SpoolWriteError);
      ledger.updateRejected.add(updated.id);
    }
  }
  if (delayed !== undefined) {
    const body = `replaced ${LARGE}`;
    ledger.replacing.set(delayed.id, body);
    try {
      await spool.updateEnvelope(delayed, envelopeFor(), Buffer.from(body));
      ledger.accepted.set(delayed.id, body);
    } catch (error) {
      expect(error).toBeInstanceOf(SpoolWriteError);
    }
    ledger.replacing.delete(delayed.id);
  }
  if (removed !== undefined) {
    ledger.accepted.delete(removed.id);
    ledger.removed.add(removed.id);
    spool.remove(removed);
  }
  await Promise.all([store(`five ${LARGE}`), store('six')]);
}

function newLedger(): Ledger {
  return {
    accepted: new Map(),
    rejected: new Set(),
    updated: new Map(),
    updateRejected: new Set(),
    replacing: new Map(),
    removed: new Set(),
  };
}

/** Opens what is left of a disk and compares it with what was promised. */
async function audit(disk: VolatileDisk, open: Open, ledger: Ledger, where: string): Promise<void> {
  const spool = await open(disk);
  const found = await enumerated(spool);
  for (const [id, body] of ledger.accepted) {
    const message = found.get(id);
    expect(message, `${where}: accepted ${id} is lost`).toBeDefined();
    const read = (await spool.loadBody(message!.entry)).toString();
    if (read !== ledger.replacing.get(id)) expect(read, where).toBe(body);
    const recipient = ledger.updated.get(id);
    if (recipient !== undefined) expect(message!.envelope.recipients, where).toEqual([recipient]);
    if (ledger.updateRejected.has(id)) expect(message!.envelope, where).toEqual(envelopeFor());
  }
  for (const id of ledger.rejected) expect(found.has(id), `${where}: rejected ${id} came back`).toBe(false);
  // Whatever else is there was being written; it has to be whole.
  for (const message of found.values()) await spool.loadBody(message.entry);
  await spool.close();
}

async function flushPatiently(spool: Spool): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await spool.flush();
    } catch (error) {
      expect(error).toBeInstanceOf(SpoolWriteError);
      if (tries === 20) throw error;
    }
  }
}

/** Number of calls that `work` makes when nothing fails. */
async function countCalls(open: Open): Promise<{ before: number; after: number }> {
  const disk = new VolatileDisk();
  const spool = await open(disk);
  const before = disk.count;
  await work(spool, newLedger());
  await spool.flush();
  const after = disk.count;
  await spool.close();
  return { before, after };
}

/**
 * What a spool owes its callers when the disk fails or the power does: no success that is none, nothing rejected that
 * comes back, nothing accepted that is lost, and work again once the disk works again.
 */
export function spoolFaultContract(name: string, open: Open): void {
  async function withFault(makeFault: (from: number) => Fault, label: string): Promise<void> {
    const { before, after } = await countCalls(open);
    for (let call = before + 1; call <= after; call++) {
      for (const ending of ['kill', 'power', 'power with some'] as const) {
        const disk = new VolatileDisk();
        const spool = await open(disk);
        const ledger = newLedger();
        disk.fault = makeFault(call);
        await work(spool, ledger);
        disk.fault = undefined;
        const where = `${label} at call ${call} (${disk.log[call - 1]}), ${ending}`;
        // It has to work again by itself.
        const late = nextId();
        await storePatiently(spool, late);
        ledger.accepted.set(late, 'late');
        await flushPatiently(spool);
        const left =
          ending === 'kill'
            ? disk.afterKill()
            : disk.afterPowerCut((path) => ending !== 'power' && path.length % 2 === call % 2);
        await audit(left, open, ledger, where);
      }
    }
  }

  async function storePatiently(spool: Spool, id: string): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await spool.store(id, envelopeFor(), Buffer.from('late'));
        return;
      } catch (error) {
        if (tries === 5) throw error;
      }
    }
  }

  describe(`${name} on a failing disk`, () => {
    test.each(['EIO', 'ENOSPC', 'EMFILE'])('any one call failing with %s', async (code) => {
      await withFault((from) => (_call, _path, count) => (count === from ? code : undefined), code);
    });

    test('any three calls in a row failing', async () => {
      const fault = (from: number): Fault => {
        return (_call, _path, count) => (count >= from && count < from + 3 ? 'EIO' : undefined);
      };
      await withFault(fault, 'three EIO');
    });

    test('every call failing for a while', async () => {
      const fault = (from: number): Fault => {
        return (_call, _path, count) => (count >= from && count < from + 40 ? 'EIO' : undefined);
      };
      await withFault(fault, 'forty EIO');
    });

    test('a short write, then no space', async () => {
      const fault = (from: number): Fault => {
        let short = false;
        return (call, _path, count) => {
          if (call !== 'writev' || count < from || count > from + 6) return undefined;
          short = !short;
          return short ? 20 : 'ENOSPC';
        };
      };
      await withFault(fault, 'short');
    });

    test('a write that is short is continued', async () => {
      const disk = new VolatileDisk();
      const spool = await open(disk);
      const ledger = newLedger();
      disk.fault = (call) => (call === 'writev' ? 33 : undefined);
      await work(spool, ledger);
      await spool.flush();
      expect(ledger.rejected.size).toBe(0);
      await audit(disk.afterKill(), open, ledger, 'short writes');
    });

    test('a full disk rejects, and accepts again when there is room', async () => {
      const disk = new VolatileDisk();
      const spool = await open(disk);
      const ledger = newLedger();
      disk.capacity = 4096;
      for (let round = 0; round < 3; round++) await work(spool, ledger);
      expect(ledger.rejected.size).toBeGreaterThan(0);
      disk.capacity = Number.POSITIVE_INFINITY;
      const before = ledger.rejected.size;
      await work(spool, ledger);
      expect(ledger.rejected.size).toBe(before);
      await flushPatiently(spool);
      await audit(disk.afterKill(), open, ledger, 'full disk');
    });
  });

  describe(`${name} cut short`, () => {
    test('kill and power cut at every call', async () => {
      const { before, after } = await countCalls(open);
      for (let call = before + 1; call <= after; call++) {
        for (const ending of ['kill', 'power', 'power with meta', 'power with bodies'] as const) {
          const disk = new VolatileDisk();
          const spool = await open(disk);
          const ledger = newLedger();
          const died = new Promise<void>((resolve) => {
            disk.fault = (_call, _path, count) => {
              if (count === call) {
                disk.kill();
                // Anything that had already happened is allowed to be heard of.
                setImmediate(() => setImmediate(resolve));
              }
              return undefined;
            };
          });
          await Promise.race([died, work(spool, ledger)]);
          ledger.rejected.clear();
          const left =
            ending === 'kill'
              ? disk.afterKill()
              : disk.afterPowerCut((path) => {
                  if (ending === 'power') return false;
                  return path.includes('/meta/') === (ending === 'power with meta');
                });
          await audit(left, open, ledger, `${ending} at call ${call} (${disk.log[call - 1]})`);
        }
      }
    });
  });
}
