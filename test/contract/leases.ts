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
