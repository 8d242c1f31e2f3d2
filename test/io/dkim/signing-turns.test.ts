import { expect, test } from 'vitest';
import { SigningTurns } from '../../../src/io/dkim/index.ts';
import { settle } from '../../kit/fake-clock.ts';

test('so many at one time, the others in their order; a failure gives its place on', async () => {
  const turns = new SigningTurns();
  const begun: number[] = [];
  const ends: { resolve(value: number): void; reject(error: Error): void }[] = [];
  const results = [0, 1, 2, 3].map((index) =>
    turns.run(2, () => {
      begun.push(index);
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      ends[index] = { resolve, reject };
      return promise;
    }),
  );
  await settle();
  expect(begun).toEqual([0, 1]);
  ends[0]!.reject(new Error('no'));
  await expect(results[0]).rejects.toThrow('no');
  await settle();
  expect(begun).toEqual([0, 1, 2]);
  for (const index of [1, 2]) ends[index]!.resolve(index);
  await settle();
  ends[3]!.resolve(3);
  expect(await Promise.all(results.slice(1))).toEqual([1, 2, 3]);
});
