import { expect, test } from 'vitest';
import { logMemory } from '../src/shard-memory.ts';

test('memory that is used up finishes the segments of the delivery log, once', () => {
  let finished = 0;
  const finishSegments = async (): Promise<void> => {
    finished++;
  };
  const limit = (bytes: number) => [{ kind: 'set_memory_soft_limit', options: bytes, where: 'init.lua:1' }];
  // Any process uses more than that.
  const scarce = logMemory(limit(1024), { finishSegments });
  scarce.look();
  scarce.stop();
  expect(finished).toBe(1);
  const plenty = logMemory(limit(2 ** 50), { finishSegments });
  plenty.look();
  plenty.stop();
  expect(finished).toBe(1);
});
