import { describe, expect, test } from 'vitest';
import type { Lease, Leases, LimitSpec } from '../../src/model/index.ts';
import { settle } from '../kit/fake-clock.ts';

export function limitOf(limit: number): LimitSpec {
  return { limit, local: false };
}

/** What every implementation of Leases keeps. `inUse` counts the limits it remembers, when it can tell. */
export function leasesContract(name: string, make: () => Leases): void {
  describe(`${name} keeps the contract of Leases`, () => {
    test('hands out as many as the limit and takes them back', async () => {
      const leases = make();
      const held = [await leases.tryAcquire('key', limitOf(2)), await leases.tryAcquire('key', limitOf(2))];
      expect(held.every((lease) => lease !== undefined)).toBe(true);
      expect(await leases.tryAcquire('key', limitOf(2))).toBeUndefined();
      expect(await leases.tryAcquire('other', limitOf(2))).toBeDefined();
      held[0]!.release();
      expect(await leases.tryAcquire('key', limitOf(2))).toBeDefined();
      expect(await leases.tryAcquire('key', limitOf(2))).toBeUndefined();
    });

    test('a look counts the slots that are taken and takes none', async () => {
      const leases = make();
      expect(leases.look!('key')).toBe(0);
      const held = await leases.tryAcquire('key', limitOf(2));
      for (let n = 0; n < 5; n++) expect(leases.look!('key')).toBe(1);
      expect(await leases.tryAcquire('key', limitOf(2))).toBeDefined();
      held!.release();
      expect(leases.look!('key')).toBe(1);
    });

    test('a second release does nothing', async () => {
      const leases = make();
      const lease = await leases.tryAcquire('key', limitOf(1));
      lease!.release();
      lease!.release();
      expect(await leases.tryAcquire('key', limitOf(1))).toBeDefined();
      expect(await leases.tryAcquire('key', limitOf(1))).toBeUndefined();
    });

    test('a lease is not wanted by its own shard', async () => {
      const leases = make();
      const lease = await leases.tryAcquire('key', limitOf(1));
      leases.want('key', () => {});
      expect(lease!.wanted).toBe(false);
    });

    test('a want is called once, after the release, in the order of the wants', async () => {
      const leases = make();
      const first = await leases.tryAcquire('key', limitOf(1));
      const got: [string, Lease | undefined][] = [];
      for (const who of ['b', 'c']) {
        leases.want('key', async () => got.push([who, await leases.tryAcquire('key', limitOf(1))]));
      }
      await settle();
      expect(got).toEqual([]);
      first!.release();
      await settle();
      expect(got.map(([who]) => who)).toEqual(['b']);
      expect(got[0]![1]).toBeDefined();
      got[0]![1]!.release();
      await settle();
      expect(got.map(([who]) => who)).toEqual(['b', 'c']);
      got[1]![1]!.release();
      await settle();
      expect(got).toHaveLength(2);
    });

    test('a want while a slot is free is called soon', async () => {
      const leases = make();
      const called: string[] = [];
      leases.want('key', () => called.push('nobody asked before'));
      const held = await leases.tryAcquire('other', limitOf(2));
      leases.want('other', () => called.push('one of two is free'));
      await settle();
      expect(called).toEqual(['nobody asked before', 'one of two is free']);
      held!.release();
      await settle();
      expect(called).toHaveLength(2);
    });

    test('who does not take the slot leaves it to the next', async () => {
      const leases = make();
      const first = await leases.tryAcquire('key', limitOf(1));
      const called: string[] = [];
      leases.want('key', () => called.push('not interested any more'));
      leases.want('key', () => called.push('interested'));
      first!.release();
      await settle();
      expect(called).toEqual(['not interested any more', 'interested']);
    });

    test('who cannot use the slot and wants again does not spin', async () => {
      const leases = make();
      const first = await leases.tryAcquire('key', limitOf(2));
      const second = await leases.tryAcquire('key', limitOf(2));
      let tries = 0;
      const want = (): void => {
        leases.want('key', async () => {
          tries++;
          if ((await leases.tryAcquire('key', limitOf(1))) === undefined) want();
        });
      };
      want();
      want();
      first!.release();
      for (let turn = 0; turn < 10; turn++) await settle();
      expect(tries).toBeLessThanOrEqual(4);
      second!.release();
      await settle();
      expect(await leases.tryAcquire('key', limitOf(1))).toBeUndefined();
    });

    test('a slot that another owner waits for is wanted, unless that one has as many', async () => {
      const leases = make();
      const [a, b] = [{}, {}];
      const held = [];
      for (let n = 0; n < 4; n++) held.push(await leases.tryAcquire('key', limitOf(4), undefined, a));
      leases.want('key', () => {}, a);
      expect(held.map((lease) => lease!.wanted)).toEqual([false, false, false, false]);
      const taken: (Lease | undefined)[] = [];
      const want = (): void => {
        const retry = async (): Promise<void> => {
          const lease = await leases.tryAcquire('key', limitOf(4), undefined, b);
          taken.push(lease);
          want();
        };
        leases.want('key', () => void retry(), b);
      };
      want();
      for (let share = 1; share <= 2; share++) {
        expect(held.every((lease) => lease!.wanted)).toBe(true);
        held.pop()!.release();
        await settle();
        // Who has none comes before who waits for more, and then in turn.
        if (share === 1) expect(taken).toHaveLength(1);
      }
      expect(taken.filter((lease) => lease !== undefined).length).toBeLessThanOrEqual(2);
      for (const lease of [...held, ...taken]) lease?.release();
    });

    test('as many idle holders are told as slots are wanted, idle for longest first', async () => {
      const leases = make();
      const told: string[] = [];
      const held: Lease[] = [];
      for (const name of ['a', 'b', 'c', 'd']) {
        const lease = (await leases.tryAcquire('key', limitOf(4), undefined, { name }))!;
        held.push(lease);
        lease.onWanted!(() => told.push(name));
      }
      const busyAgain = held[0]!.onWanted!(() => told.push('not idle'));
      busyAgain();
      expect(told).toEqual([]);
      const got: string[] = [];
      for (const name of ['x', 'y']) {
        const owner = {};
        leases.want(
          'key',
          async () => {
            if ((await leases.tryAcquire('key', limitOf(4), undefined, owner)) !== undefined) got.push(name);
          },
          owner,
        );
        await settle();
      }
      expect(told).toEqual(['b', 'c']);
      expect([held[1]!.wanted, held[3]!.wanted]).toEqual([true, false]);
      held[1]!.release();
      held[2]!.release();
      await settle();
      expect(got).toEqual(['x', 'y']);
      expect(told).toEqual(['b', 'c']);
    });

    test('who becomes idle while another owner waits is told at once; who is leaving stands for him', async () => {
      const leases = make();
      const [a, b] = [
        await leases.tryAcquire('key', limitOf(2), undefined, {}),
        await leases.tryAcquire('key', limitOf(2), undefined, {}),
      ];
      leases.want('key', () => {}, {});
      expect([a!.wanted, b!.wanted]).toEqual([true, true]);
      let told = 0;
      a!.onWanted!(() => told++);
      expect(told).toBe(1);
      expect([a!.wanted, b!.wanted]).toEqual([true, false]);
      b!.onWanted!(() => told++);
      expect(told).toBe(1);
    });

    test('a withdrawn want is not called and leaves no trace', async () => {
      const leases = make();
      const first = await leases.tryAcquire('key', limitOf(1));
      const called: string[] = [];
      const cancel = leases.want('key', () => called.push('withdrawn'));
      leases.want('key', () => called.push('kept'));
      cancel();
      cancel();
      first!.release();
      await settle();
      expect(called).toEqual(['kept']);
      expect(await leases.tryAcquire('key', limitOf(1))).toBeDefined();
    });
  });
}
