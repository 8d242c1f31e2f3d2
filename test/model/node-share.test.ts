import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gcraCapacity, leaseShare, throttleShare } from '../../src/model/index.ts';

const whole = fc.integer({ min: 1, max: 1000 });

test('the parts of a limit add up to it in every turn, and differ by one at most', () => {
  fc.assert(
    fc.property(whole, whole, fc.nat(), (limit, nodes, turn) => {
      const parts = Array.from({ length: nodes }, (_, rank) => leaseShare(limit, rank, nodes, turn));
      expect(parts.reduce((sum, part) => sum + part, 0)).toBe(limit);
      expect(Math.max(...parts) - Math.min(...parts)).toBeLessThanOrEqual(1);
    }),
  );
});

test('every node has its turn with a limit smaller than their number', () => {
  for (let rank = 0; rank < 7; rank++) {
    let slots = 0;
    for (let turn = 0; turn < 7; turn++) slots += leaseShare(2, rank, 7, turn);
    expect(slots).toBe(2);
  }
});

test('the parts of a throttle add up to its rate, and to its burst unless that is too small to part', () => {
  fc.assert(
    fc.property(whole, fc.nat(2000), whole, (limit, burst, nodes) => {
      const all = { limit, period: 60_000, burst, local: false };
      const part = throttleShare(all, nodes);
      expect((nodes * part.limit) / part.period).toBeCloseTo(limit / 60_000, 9);
      expect(gcraCapacity(part)).toBe(Math.max(1, Math.floor(gcraCapacity(all) / nodes)));
      expect(part.local).toBe(true);
    }),
  );
});
