import fc from 'fast-check';
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

/** The same by the letter of delivery.md section 6, however long it takes. */
class Literal {
  readonly #weights: readonly number[];
  readonly #step: number;
  #index = -1;
  #current = 0;

  constructor(weights: readonly number[]) {
    const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
    this.#weights = weights;
    this.#step = weights.reduce(divisor, 0);
  }

  next(out: ReadonlySet<number>): number {
    if (out.size === this.#weights.length) return -1;
    for (;;) {
      this.#index = (this.#index + 1) % this.#weights.length;
      if (this.#index === 0) {
        this.#current -= this.#step;
        if (this.#current <= 0) this.#current = Math.max(...this.#weights);
      }
      if (this.#weights[this.#index]! >= this.#current && !out.has(this.#index)) return this.#index;
    }
  }
}

describe('weighted round robin', () => {
  const draw = (selector: SourceSelector, count: number): number[] => {
    const seen = new Array<number>(selector.size).fill(0);
    for (let turn = 0; turn < count; turn++) {
      selector.begin();
      const index = selector.next();
      seen[index] = seen[index]! + 1;
    }
    return seen;
  };

  test('is exact over a cycle, and interleaved', () => {
    expect(draw(new SourceSelector([5, 3, 2]), 1000)).toEqual([500, 300, 200]);
    const selector = new SourceSelector([4, 2]);
    expect(Array.from({ length: 6 }, () => selector.next())).toEqual([0, 0, 1, 0, 0, 1]);
  });

  test('leaves out for one selection only, and says when nobody is left', () => {
    const selector = new SourceSelector([10, 1]);
    selector.begin();
    selector.leaveOut(0);
    expect(selector.next()).toBe(1);
    selector.leaveOut(1);
    selector.leaveOut(1);
    expect(selector.next()).toBe(-1);
    selector.begin();
    expect(selector.next()).toBe(0);
    expect(new SourceSelector([]).next()).toBe(-1);
  });

  test('chooses as the reference says, whoever is left out', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 2, maxLength: 12 }),
        fc.array(fc.array(fc.nat(11), { maxLength: 12 }), { minLength: 1, maxLength: 40 }),
        (weights, selections) => {
          const selector = new SourceSelector(weights);
          const literal = new Literal(weights);
          for (const refusals of selections) {
            const out = new Set<number>();
            selector.begin();
            for (const refused of refusals) {
              const index = selector.next();
              expect(index).toBe(literal.next(out));
              if (index < 0) break;
              const other = refused % weights.length;
              for (const gone of [index, other]) {
                selector.leaveOut(gone);
                out.add(gone);
              }
            }
          }
        },
      ),
    );
  });

  test('does not go through the rounds of a huge weight that is left out', () => {
    const selector = new SourceSelector([1_000_000_007, ...new Array<number>(999).fill(1)]);
    for (let turn = 0; turn < 100; turn++) {
      selector.begin();
      selector.leaveOut(0);
      expect(selector.next()).toBeGreaterThan(0);
    }
  });
});
