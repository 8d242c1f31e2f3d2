import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Fifo } from '../../src/model/fifo.ts';

test('behaves like an array under any sequence of operations', () => {
  const operation = fc.oneof(
    fc.record({ op: fc.constant('push' as const), value: fc.integer() }),
    fc.record({ op: fc.constant('unshift' as const), value: fc.integer() }),
    fc.record({ op: fc.constantFrom('shift' as const, 'pop' as const, 'peek' as const) }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 400 }), (operations) => {
      const fifo = new Fifo<number>();
      const model: number[] = [];
      for (const step of operations) {
        if (step.op === 'push' || step.op === 'unshift') {
          fifo[step.op](step.value);
          model[step.op](step.value);
        } else if (step.op === 'peek') expect(fifo.peek()).toBe(model[0]);
        else expect(fifo[step.op]()).toBe(model[step.op]());
        expect(fifo.length).toBe(model.length);
      }
    }),
  );
});

test('shrinks after a peak and keeps the order', () => {
  const fifo = new Fifo<number>();
  for (let value = 0; value < 5000; value++) fifo.push(value);
  for (let value = 0; value < 5000; value++) expect(fifo.shift()).toBe(value);
  expect(fifo.shift()).toBeUndefined();
});
