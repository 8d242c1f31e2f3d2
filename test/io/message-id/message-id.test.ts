import { expect, test } from 'vitest';
import { createMessageIds } from '../../../src/io/message-id/index.ts';
import { createdAt } from '../../../src/model/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

test('ids of several shards and several starts are all different', () => {
  const clock = new FakeClock();
  const made = new Set<string>();
  for (let start = 0; start < 20; start++) {
    for (let shard = 0; shard < 4; shard++) {
      const next = createMessageIds({ shard, clock });
      for (let count = 0; count < 50; count++) made.add(next());
    }
  }
  expect(made.size).toBe(20 * 4 * 50);
  for (const id of made) expect(createdAt(id)).toBe(clock.now());
});

test('a shard number that does not fit is an error', () => {
  expect(() => createMessageIds({ shard: 16384 })).toThrow(RangeError);
});
