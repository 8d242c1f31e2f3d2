import { describe, expect, test } from 'vitest';
import { idealConnections } from '../../../src/flow/ready-queue/ideal-connections.ts';
import { SourceSelector } from '../../../src/flow/ready-queue/source-selector.ts';

describe('ideal connections (delivery.md section 7)', () => {
  test('the figures of the reference for a limit of 32', () => {
    const wanted = new Map([
      [1, 1],
      [4, 3],
      [10, 7],
      [32, 17],
      [64, 25],
      [128, 31],
    ]);
    for (const [length, connections] of wanted) expect(idealConnections(32, length)).toBe(connections);
  });

  test('never more than the limit or the messages', () => {
    expect(idealConnections(5, 100_000)).toBe(5);
    expect(idealConnections(1000, 2)).toBe(2);
    expect(idealConnections(5, 0)).toBe(0);
  });
});

describe('weighted round robin', () => {
  const draw = (selector: SourceSelector, count: number): Record<string, number> => {
    const seen: Record<string, number> = {};
    for (let turn = 0; turn < count; turn++) {
      const name = selector.next(() => true)!;
      seen[name] = (seen[name] ?? 0) + 1;
    }
    return seen;
  };

  test('is exact over a cycle', () => {
    const selector = new SourceSelector([
      { name: 'a', weight: 5 },
      { name: 'b', weight: 3 },
      { name: 'c', weight: 2 },
    ]);
    expect(draw(selector, 1000)).toEqual({ a: 500, b: 300, c: 200 });
  });

  test('leaves weight 0 out', () => {
    const selector = new SourceSelector([
      { name: 'a', weight: 0 },
      { name: 'b', weight: 1 },
    ]);
    expect(draw(selector, 10)).toEqual({ b: 10 });
  });

  test('skips what is not eligible and says when nothing is', () => {
    const selector = new SourceSelector([
      { name: 'a', weight: 10 },
      { name: 'b', weight: 1 },
    ]);
    expect(selector.next((name) => name === 'b')).toBe('b');
    expect(selector.next(() => false)).toBeUndefined();
    expect(new SourceSelector([]).next(() => true)).toBeUndefined();
  });
});
