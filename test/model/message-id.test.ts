import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createdAt, createMessageIds, parseMessageId } from '../../src/model/index.ts';

const START = Date.UTC(2026, 10, 21, 12, 0, 0, 123);

function ids(now: () => number, shard = 0, random: () => number = () => 0.5): () => string {
  return createMessageIds({ now, random, shard });
}

describe('message ids', () => {
  test('are version 1 UUIDs without dashes, of the RFC 9562 variant, with a multicast node', () => {
    const id = ids(() => START)();
    expect(id).toMatch(/^[0-9a-f]{12}1[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
    expect(Number.parseInt(id.slice(20, 22), 16) & 1).toBe(1);
  });

  test('hold the time as RFC 9562 has it', () => {
    // Appendix A.1: C232AB00-9414-11EC-B3C8-9F6BDECED846 is of 2022-02-22 19:22:22 UTC.
    expect(createdAt('c232ab00941411ecb3c89f6bdeced846')).toBe(Date.UTC(2022, 1, 22, 19, 22, 22));
    expect(ids(() => Date.UTC(2022, 1, 22, 19, 22, 22))().slice(0, 16)).toBe('c232ab00941411ec');
  });

  test('give back the millisecond they were made in', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000_000 }), (time) => {
        const next = ids(() => time);
        return createdAt(next()) === time && createdAt(next()) === time;
      }),
    );
  });

  test('are all different and never earlier than the one before, whatever the clock does', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 1, maxLength: 200 }), (steps) => {
        let now = START;
        const next = ids(() => now);
        const seen = new Set<string>();
        let last = 0;
        for (const step of steps) {
          now += step;
          const id = next();
          if (seen.has(id) || createdAt(id) < last) return false;
          last = createdAt(id);
          seen.add(id);
        }
        return true;
      }),
    );
  });

  test('more than 10,000 in a millisecond go on in the next', () => {
    const next = ids(() => START);
    const seen = new Set<string>();
    for (let count = 0; count < 10_001; count++) seen.add(next());
    expect(seen.size).toBe(10_001);
    expect(createdAt(next())).toBe(START + 1);
  });

  test('follow a clock that is set back, and still are new', () => {
    let now = START;
    let draws = 0;
    const next = ids(
      () => now,
      0,
      () => (draws++ % 10) / 10,
    );
    const before = next();
    now = START - 86_400_000;
    const moved = next();
    expect(createdAt(moved)).toBe(now);
    now = START;
    expect(next()).not.toBe(before);
  });

  test('of two shards differ even with the same clock and the same luck', () => {
    expect(ids(() => START, 1)()).not.toBe(ids(() => START, 2)());
  });

  test('are read with and without dashes, and nothing else is', () => {
    const id = 'c232ab00941411ecb3c89f6bdeced846';
    expect(parseMessageId(id)).toBe(id);
    expect(parseMessageId('C232AB00-9414-11EC-B3C8-9F6BDECED846')).toBe(id);
    expect(parseMessageId('C232AB00-941411EC-B3C8-9F6BDECED846')).toBeUndefined();
    expect(parseMessageId('../../etc/passwd')).toBeUndefined();
    expect(parseMessageId(`${id}0`)).toBeUndefined();
  });
});
