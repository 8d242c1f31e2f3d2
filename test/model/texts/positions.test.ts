import { describe, expect, test } from 'vitest';
import { positionsInJson, positionsInToml } from '../../../src/model/texts/index.ts';

describe('positions in TOML', () => {
  const positions = positionsInToml(
    [
      'top = 1',
      '[a."b.c"]',
      'x = { y = [10, { z = 1 }] }',
      'd.e = 2',
      '[[list]]',
      'n = 1',
      '[[list]]',
      '  n = 2',
      '[list.inner]',
    ].join('\n'),
  );
  test.each([
    [['top'], 1, 1],
    [['a'], 2, 2],
    [['a', 'b.c'], 2, 4],
    [['a', 'b.c', 'x'], 3, 1],
    [['a', 'b.c', 'x', 'y'], 3, 7],
    [['a', 'b.c', 'x', 'y', 0], 3, 12],
    [['a', 'b.c', 'x', 'y', 1, 'z'], 3, 18],
    [['a', 'b.c', 'd'], 4, 1],
    [['a', 'b.c', 'd', 'e'], 4, 3],
    [['list', 0, 'n'], 6, 1],
    [['list', 1], 7, 3],
    [['list', 1, 'n'], 8, 3],
    [['list', 1, 'inner'], 9, 7],
  ])('%j', (path, line, column) => {
    expect(positions.at(path)).toEqual({ line, column });
    expect(positions.near([...path, 'absent'])).toEqual({ line, column });
    expect(positions.at([...path, 'absent'])).toBeUndefined();
  });
});

test('positions in JSON', () => {
  const positions = positionsInJson('{\n  "a": { "b": [1,\n    {"c": 2}] }\n}');
  expect(positions.at(['a'])).toEqual({ line: 2, column: 3 });
  expect(positions.at(['a', 'b', 0])).toEqual({ line: 2, column: 16 });
  expect(positions.at(['a', 'b', 1, 'c'])).toEqual({ line: 3, column: 6 });
  expect(positions.near(['a', 'x', 'y'])).toEqual({ line: 2, column: 3 });
});

test('a text that cannot be parsed has no positions', () => {
  expect(positionsInToml('a = \n').near(['a'])).toBeUndefined();
  expect(positionsInJson('').near(['a'])).toBeUndefined();
});
