import { expect, test } from 'vitest';
import { LocalCounters } from '../../src/io/limits/index.ts';
import { ErrorReport } from '../../src/lua/error-report.ts';
import type { Diagnostics } from '../../src/model/index.ts';

const told: string[] = [];
const say = (_target: string, text: string): void => void told.push(text);
const diagnostics: Diagnostics = { error: say, warn: say, info: say, debug: say };

test('shards tell an error once together, count it together, and begin anew with the next generation', () => {
  const counters = new LocalCounters();
  const [one, other] = [new ErrorReport(diagnostics, counters), new ErrorReport(diagnostics, counters)];
  for (let n = 0; n < 6; n++) {
    one.report('init', 'a.lua:1: no', 'stack traceback:');
    other.report('init', 'a.lua:1: no', 'stack traceback:');
  }
  other.report('init', 'a.lua:2: no', '');
  expect(told).toEqual([
    'init: a.lua:1: no\nstack traceback:',
    'init: a.lua:1: no (10 times)',
    'init: a.lua:2: no',
  ]);
  expect([...one.counts, ...other.counts]).toEqual([
    ['init: a.lua:1: no', 6],
    ['init: a.lua:1: no', 6],
    ['init: a.lua:2: no', 1],
  ]);
  new ErrorReport(diagnostics, counters, 1).report('init', 'a.lua:1: no', '');
  expect(told.at(-1)).toBe('init: a.lua:1: no');
  // Nothing is left of a policy that has ended.
  one.close();
  other.close();
  expect(counters.get('policy error 0 init: a.lua:1: no')).toBe(0);
  expect(counters.get('policy error 0 init: a.lua:2: no')).toBe(0);
});
