import { expect, test } from 'vitest';
import { mergePreviews, PREVIEW_SAMPLE } from '../../src/model/index.ts';

test('a queue that several shards have counts once, with the messages of all of them', () => {
  const preview = mergePreviews([
    {
      byQueue: new Map([
        ['a.test', 2],
        ['b.test', 3],
      ]),
      sample: [{ id: '1', queue: 'a.test' }],
    },
    { byQueue: new Map([['a.test', 5]]), sample: [{ id: '2', queue: 'a.test' }] },
    { byQueue: new Map(), sample: [] },
  ]);
  expect(preview).toEqual({
    messages: 10,
    queues: 2,
    deepest: [
      { queue: 'a.test', messages: 7 },
      { queue: 'b.test', messages: 3 },
    ],
    sample: [
      { id: '1', queue: 'a.test' },
      { id: '2', queue: 'a.test' },
    ],
  });
  expect(mergePreviews([])).toEqual({ messages: 0, queues: 0, deepest: [], sample: [] });
});

test('of many queues and messages only some are shown, the deepest queues, and all are counted', () => {
  const names = Array.from({ length: 100 }, (_, index) => `d${String(index).padStart(2, '0')}.test`);
  const byQueue = new Map(names.map((name, index) => [name, index % 50]));
  const sample = names.map((queue, index) => ({ id: String(index), queue }));
  const preview = mergePreviews([{ byQueue, sample }]);
  expect(preview).toMatchObject({ messages: 2450, queues: 100 });
  expect(preview.deepest).toHaveLength(PREVIEW_SAMPLE);
  expect(preview.deepest.slice(0, 3)).toEqual([
    { queue: 'd49.test', messages: 49 },
    { queue: 'd99.test', messages: 49 },
    { queue: 'd48.test', messages: 48 },
  ]);
  expect(preview.sample).toHaveLength(PREVIEW_SAMPLE);
});
