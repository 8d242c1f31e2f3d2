import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  createMessageIds,
  type EnumeratedMessage,
  type Spool,
  type SpooledEnvelope,
} from '../../src/model/index.ts';

/** One place in which a spool lives, through any number of starts. */
export interface SpoolHarness {
  /** Starts a spool on what is there. */
  open(): Promise<Spool>;
  /** Ends the last one opened without a word, as kill -9 does. */
  kill(): Promise<void>;
  /** Clears everything away. */
  dispose(): Promise<void>;
}

let clock = Date.UTC(2026, 0, 1);
/** Ids for tests, the same in every run. */
export const nextId = createMessageIds({ now: () => clock++, random: () => 0.25, shard: 3 });

export function envelopeFor(recipient = 'to@example.org'): SpooledEnvelope {
  return {
    sender: 'from@example.com',
    recipients: [recipient],
    meta: { queue: 'example.org', n: 1, ü: ['ß', null] },
    schedule: { expires: '2100-01-01T00:00:00Z' },
  };
}

export async function enumerated(spool: Spool): Promise<Map<string, EnumeratedMessage>> {
  const found = new Map<string, EnumeratedMessage>();
  await spool.enumerate((message) => {
    if (found.has(message.entry.id)) throw new Error(`${message.entry.id} was visited twice`);
    found.set(message.entry.id, message);
  });
  return found;
}

/** What every spool owes its callers (model/spool.ts). */
export function spoolContract(name: string, makeHarness: () => Promise<SpoolHarness>): void {
  describe(`${name} as a spool`, () => {
    let harness: SpoolHarness;
    let spool: Spool;

    beforeEach(async () => {
      harness = await makeHarness();
      spool = await harness.open();
    });
    afterEach(async () => {
      await harness.dispose();
    });

    async function restart(): Promise<Spool> {
      await spool.close();
      spool = await harness.open();
      return spool;
    }

    async function restartAfterKill(): Promise<Spool> {
      await harness.kill();
      spool = await harness.open();
      return spool;
    }

    test('gives back what was stored', async () => {
      const id = nextId();
      const entry = await spool.store(id, envelopeFor(), Buffer.from('Subject: x\r\n\r\nbody\r\n'));
      expect(entry.id).toBe(id);
      expect(await spool.loadEnvelope(entry)).toEqual(envelopeFor());
      expect((await spool.loadBody(entry)).toString()).toBe('Subject: x\r\n\r\nbody\r\n');
    });

    test('keeps what was stored, not what the caller makes of it later', async () => {
      const envelope = envelopeFor();
      const storing = spool.store(nextId(), envelope, Buffer.from('x'));
      envelope.recipients.push('late@example.org');
      expect((await spool.loadEnvelope(await storing)).recipients).toEqual(['to@example.org']);
    });

    test('a new spool is empty', async () => {
      expect(await spool.enumerate(() => {})).toEqual({ messages: 0, quarantined: 0 });
    });

    test.each([
      ['one byte', Buffer.from('a')],
      ['no byte', Buffer.alloc(0)],
      ['every byte value', Buffer.from(Array.from({ length: 1024 }, (_, index) => index & 0xff))],
      ['something like a record header', Buffer.from('d54d505202000000d54d5052'.repeat(20), 'hex')],
      ['three megabytes', Buffer.alloc(3_000_000, 'mail')],
    ])('a body of %s survives a restart', async (_what, body) => {
      const entry = await spool.store(nextId(), envelopeFor(), body);
      expect((await spool.loadBody(entry)).equals(body)).toBe(true);
      await restart();
      const found = (await enumerated(spool)).get(entry.id)!;
      expect(found.size).toBe(body.length);
      expect((await spool.loadBody(found.entry)).equals(body)).toBe(true);
    });

    test('many messages stored at once are all there after kill -9', async () => {
      const ids = Array.from({ length: 150 }, nextId);
      await Promise.all(
        ids.map((id) => spool.store(id, envelopeFor(`${id}@example.org`), Buffer.from(`body ${id}`))),
      );
      await restartAfterKill();
      const found = await enumerated(spool);
      expect([...found.keys()].sort()).toEqual([...ids].sort());
      for (const [id, message] of found) {
        expect(message.envelope).toEqual(envelopeFor(`${id}@example.org`));
        expect((await spool.loadBody(message.entry)).toString()).toBe(`body ${id}`);
      }
    });

    test('progress survives a restart', async () => {
      const entry = await spool.store(nextId(), envelopeFor(), Buffer.from('x'));
      spool.saveProgress(entry, { attempts: 1, due: 1_800_000_000_001 });
      spool.saveProgress(entry, { attempts: 2, due: 1_800_000_000_123 });
      await restart();
      expect((await enumerated(spool)).get(entry.id)!.progress).toEqual({
        attempts: 2,
        due: 1_800_000_000_123,
      });
    });

    test('progress that was flushed survives kill -9, and a second one', async () => {
      const entry = await spool.store(nextId(), envelopeFor(), Buffer.from('x'));
      spool.saveProgress(entry, { attempts: 7, due: 1_800_000_000_123 });
      await spool.flush();
      await restartAfterKill();
      expect((await enumerated(spool)).get(entry.id)!.progress).toEqual({
        attempts: 7,
        due: 1_800_000_000_123,
      });
      await restartAfterKill();
      expect((await enumerated(spool)).get(entry.id)!.progress).toEqual({
        attempts: 7,
        due: 1_800_000_000_123,
      });
    });

    test('a changed envelope replaces the old one, and keeps progress and body', async () => {
      const entry = await spool.store(nextId(), envelopeFor(), Buffer.from('the body'));
      spool.saveProgress(entry, { attempts: 3, due: 1_800_000_000_000 });
      await spool.updateEnvelope(entry, envelopeFor('other@example.org'));
      expect(await spool.loadEnvelope(entry)).toEqual(envelopeFor('other@example.org'));
      await spool.flush();
      await restartAfterKill();
      const found = (await enumerated(spool)).get(entry.id)!;
      expect(found.envelope).toEqual(envelopeFor('other@example.org'));
      expect(found.progress).toEqual({ attempts: 3, due: 1_800_000_000_000 });
      expect((await spool.loadBody(found.entry)).toString()).toBe('the body');
    });

    test('a changed body replaces the old one together with the envelope, and keeps progress', async () => {
      const entry = await spool.store(nextId(), envelopeFor(), Buffer.from('the body'));
      spool.saveProgress(entry, { attempts: 3, due: 1_800_000_000_000 });
      for (const body of ['x', 'a longer body than before', 'the last']) {
        await spool.updateEnvelope(entry, envelopeFor('other@example.org'), Buffer.from(body));
        expect((await spool.loadBody(entry)).toString()).toBe(body);
      }
      await spool.updateEnvelope(entry, envelopeFor('third@example.org'));
      for (const again of [restartAfterKill, restart]) {
        await spool.flush();
        await again();
        const found = (await enumerated(spool)).get(entry.id)!;
        expect(found.envelope).toEqual(envelopeFor('third@example.org'));
        expect(found.progress).toEqual({ attempts: 3, due: 1_800_000_000_000 });
        expect(found.size).toBe('the last'.length);
        expect((await spool.loadBody(found.entry)).toString()).toBe('the last');
      }
    });

    test('changes that do not wait for each other: the last envelope, and the last body', async () => {
      const entry = await spool.store(nextId(), envelopeFor(), Buffer.from('the body'));
      await Promise.all([
        spool.updateEnvelope(entry, envelopeFor('second@example.org'), Buffer.from('changed once')),
        spool.updateEnvelope(entry, envelopeFor('third@example.org'), Buffer.from('changed')),
        spool.updateEnvelope(entry, envelopeFor('other@example.org')),
      ]);
      expect((await spool.loadBody(entry)).toString()).toBe('changed');
      await spool.flush();
      await restartAfterKill();
      const found = (await enumerated(spool)).get(entry.id)!;
      expect(found.envelope).toEqual(envelopeFor('other@example.org'));
      expect(found.size).toBe('changed'.length);
      expect((await spool.loadBody(found.entry)).toString()).toBe('changed');
    });

    test('what is removed stays away, what is not stays', async () => {
      const bodies = ['a', 'b', 'c', 'd'];
      const entries = await Promise.all(
        bodies.map((body) => spool.store(nextId(), envelopeFor(), Buffer.from(body))),
      );
      spool.remove(entries[0]!);
      spool.remove(entries[2]!);
      spool.remove(entries[2]!);
      await spool.flush();
      await restartAfterKill();
      expect([...(await enumerated(spool)).keys()].sort()).toEqual([entries[1]!.id, entries[3]!.id].sort());
      await restart();
      expect((await enumerated(spool)).size).toBe(2);
    });

    test('removals that are written stay removed after kill -9, also while messages keep coming', async () => {
      const entries = [];
      for (let n = 0; n < 20; n++) {
        entries.push(await spool.store(nextId(), envelopeFor(), Buffer.from('x')));
      }
      const coming = Array.from({ length: 10 }, () => spool.store(nextId(), envelopeFor(), Buffer.from('y')));
      for (const entry of entries) {
        spool.remove(entry);
        await spool.removalsWritten();
      }
      await Promise.all(coming);
      await restartAfterKill();
      expect((await enumerated(spool)).size).toBe(10);
    });

    test('a message updated and removed at once is gone', async () => {
      const entry = await spool.store(nextId(), envelopeFor(), Buffer.from('x'));
      const updating = spool.updateEnvelope(entry, envelopeFor('other@example.org'));
      spool.saveProgress(entry, { attempts: 1, due: 5 });
      spool.remove(entry);
      await updating;
      await restart();
      expect((await enumerated(spool)).size).toBe(0);
    });

    test('an id that was removed can be stored again', async () => {
      const id = nextId();
      spool.remove(await spool.store(id, envelopeFor(), Buffer.from('first')));
      await spool.flush();
      await spool.store(id, envelopeFor(), Buffer.from('second'));
      await restart();
      const found = (await enumerated(spool)).get(id)!;
      expect((await spool.loadBody(found.entry)).toString()).toBe('second');
    });

    test('messages stored during the enumeration are not visited, and are there the next time', async () => {
      for (let index = 0; index < 30; index++) await spool.store(nextId(), envelopeFor(), Buffer.from('old'));
      await restart();
      const fresh: string[] = [];
      let visited = 0;
      await spool.enumerate(async ({ entry }) => {
        visited++;
        expect(fresh).not.toContain(entry.id);
        const id = nextId();
        await spool.store(id, envelopeFor(), Buffer.from('new'));
        fresh.push(id);
      });
      expect(visited).toBe(30);
      await restart();
      expect((await enumerated(spool)).size).toBe(60);
    });

    test('messages can be changed and removed during the enumeration', async () => {
      const ids: string[] = [];
      for (let index = 0; index < 20; index++) {
        const id = nextId();
        ids.push(id);
        const entry = await spool.store(id, envelopeFor(), Buffer.from('old'));
        if (index % 2 === 0) await spool.updateEnvelope(entry, envelopeFor('second@example.org'));
      }
      await restart();
      await spool.enumerate(async ({ entry }) => {
        const index = ids.indexOf(entry.id);
        if (index % 3 === 0) spool.remove(entry);
        else if (index % 3 === 1) await spool.updateEnvelope(entry, envelopeFor('third@example.org'));
        else spool.saveProgress(entry, { attempts: index, due: index });
        await spool.flush();
      });
      await restartAfterKill();
      const found = await enumerated(spool);
      expect([...found.keys()].sort()).toEqual(ids.filter((_, index) => index % 3 !== 0).sort());
      for (const [id, message] of found) {
        const index = ids.indexOf(id);
        if (index % 3 === 1) expect(message.envelope.recipients).toEqual(['third@example.org']);
        else expect(message.progress).toEqual({ attempts: index, due: index });
      }
    });

    test('an error of the visitor ends the enumeration', async () => {
      await spool.store(nextId(), envelopeFor(), Buffer.from('x'));
      await restart();
      const failing = spool.enumerate(() => {
        throw new Error('policy says no');
      });
      await expect(failing).rejects.toThrow('policy says no');
    });

    test('closing writes out what is pending', async () => {
      const storing = spool.store(nextId(), envelopeFor(), Buffer.from('x'));
      await restart();
      await storing;
      expect((await enumerated(spool)).size).toBe(1);
    });
  });
}
