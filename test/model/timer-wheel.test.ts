import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NOT_QUEUED, TimerWheel, type WheelNode } from '../../src/model/timer-wheel.ts';

class Entry implements WheelNode {
  wheelNext: WheelNode | undefined = undefined;
  wheelPrev: WheelNode | undefined = undefined;
  wheelSlot = NOT_QUEUED;
  due: number;
  constructor(due: number) {
    this.due = due;
  }
}

const START = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;

function visited(wheel: TimerWheel<Entry>, now: number, limit?: number): number[] {
  const seen: number[] = [];
  wheel.advance(now, (node) => seen.push(node.due), limit);
  return seen;
}

describe('TimerWheel', () => {
  test('visits a node at its tick, not before', () => {
    const wheel = new TimerWheel<Entry>(START);
    wheel.insert(new Entry(START + 1234));
    expect(visited(wheel, START + 1233)).toEqual([]);
    expect(visited(wheel, START + 1240)).toEqual([START + 1234]);
    expect(wheel.size).toBe(0);
  });

  test('what is due already comes at once', () => {
    const wheel = new TimerWheel<Entry>(START);
    wheel.insert(new Entry(0));
    expect(wheel.nextDue(START)).toBe(START);
    expect(visited(wheel, START)).toEqual([0]);
    expect(wheel.nextDue(START)).toBeUndefined();
  });

  test('reaches years ahead in one step', () => {
    const wheel = new TimerWheel<Entry>(START);
    const dues = [1, 400, 4000, 40_000].map((days) => START + days * DAY);
    for (const due of dues) wheel.insert(new Entry(due));
    wheel.insert(new Entry(Number.POSITIVE_INFINITY));
    expect(visited(wheel, START + 60_000 * DAY)).toEqual(dues);
    expect(wheel.size).toBe(1);
    expect(visited(wheel, Number.MAX_SAFE_INTEGER)).toEqual([Number.POSITIVE_INFINITY]);
  });

  test('remove is true once', () => {
    const wheel = new TimerWheel<Entry>(START);
    const entry = new Entry(START + 50);
    wheel.insert(entry);
    expect(() => wheel.insert(entry)).toThrow('already');
    expect(wheel.remove(entry)).toBe(true);
    expect(wheel.remove(entry)).toBe(false);
    expect(visited(wheel, START + DAY)).toEqual([]);
  });

  test('visit may insert and remove others', () => {
    const wheel = new TimerWheel<Entry>(START);
    const [first, second] = [new Entry(START + 10), new Entry(START + 20)];
    const late = new Entry(START + 15);
    wheel.insert(first);
    wheel.insert(second);
    const seen: Entry[] = [];
    wheel.advance(START + 100, (node) => {
      seen.push(node);
      if (node !== first) return;
      wheel.remove(second);
      wheel.insert(late);
    });
    expect(seen).toEqual([first, late]);
  });

  test('a limit bounds the work of one call, cascades included', () => {
    const wheel = new TimerWheel<Entry>(START);
    const dues = Array.from({ length: 1000 }, (_, n) => START + 10 * DAY + (n % 7) * 1000);
    for (const due of dues) wheel.insert(new Entry(due));
    const seen: number[] = [];
    let calls = 0;
    while (wheel.advance(START + 11 * DAY, (node) => seen.push(node.due), 100)) {
      calls++;
      expect(seen.length).toBeLessThanOrEqual(calls * 100);
      expect(wheel.nextDue(START + 11 * DAY)).toBeLessThanOrEqual(START + 11 * DAY);
    }
    expect(calls).toBeGreaterThanOrEqual(20);
    expect(seen).toEqual(dues.toSorted((a, b) => a - b));
  });

  test('a clock that is set back keeps later nodes waiting', () => {
    const wheel = new TimerWheel<Entry>(START);
    wheel.insert(new Entry(START + 2 * DAY));
    expect(visited(wheel, START + DAY)).toEqual([]);
    wheel.insert(new Entry(START + 60_000));
    expect(visited(wheel, START)).toEqual([]);
    expect(visited(wheel, START + 60_000)).toEqual([START + 60_000]);
    expect(visited(wheel, START + 2 * DAY)).toEqual([START + 2 * DAY]);
  });

  test('clear gives every node back', () => {
    const wheel = new TimerWheel<Entry>(START);
    const dues = [START - 5, START + 7, START + DAY, START + 900 * DAY];
    for (const due of dues) wheel.insert(new Entry(due));
    const seen: number[] = [];
    wheel.clear((node) => seen.push(node.due));
    expect(seen.toSorted((a, b) => a - b)).toEqual(dues);
    expect(wheel.size).toBe(0);
  });
});

const span = fc.oneof(fc.nat(50), fc.nat(5000), fc.nat(3_600_000), fc.nat(40 * DAY), fc.nat(2000 * DAY));
const move = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), in: span }),
  fc.record({ kind: fc.constant('remove' as const), in: fc.nat(100) }),
  fc.record({ kind: fc.constant('advance' as const), in: span }),
  fc.record({ kind: fc.constant('hint' as const), in: fc.nat(3) }),
);

test('TimerWheel agrees with a sorted list', () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 80 }), fc.integer({ min: 1, max: 20 }), (moves, limit) => {
      let now = START + 3;
      const wheel = new TimerWheel<Entry>(now);
      let model: Entry[] = [];
      const tickOf = (due: number): number => Math.ceil(due / 10);
      for (const { kind, in: amount } of moves) {
        if (kind === 'insert') {
          const entry = new Entry(now + amount);
          wheel.insert(entry);
          model.push(entry);
        } else if (kind === 'remove') {
          const [gone] = model.splice(amount % Math.max(1, model.length), 1);
          if (gone !== undefined) expect(wheel.remove(gone)).toBe(true);
        } else {
          // `hint`: sleep until the wheel says so, as the real timer does; it must never oversleep.
          now = kind === 'advance' ? now + amount : Math.max(now, wheel.nextDue(now) ?? now);
          const due = model.filter((entry) => tickOf(entry.due) <= Math.floor(now / 10));
          if (kind === 'hint')
            for (const entry of model) expect(tickOf(entry.due) * 10).toBeGreaterThanOrEqual(now - 13);
          const seen: Entry[] = [];
          while (wheel.advance(now, (node) => seen.push(node), limit));
          expect(new Set(seen)).toEqual(new Set(due));
          model = model.filter((entry) => !seen.includes(entry));
        }
        expect(wheel.size).toBe(model.length);
      }
    }),
    { numRuns: 300 },
  );
});
