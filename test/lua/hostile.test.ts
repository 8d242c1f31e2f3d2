import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { contain, hostileEngine, hostileScripts, isFine, unexpected } from './hostile-kit.ts';
import { folder } from './policy-kit.ts';

// Times are those that the thread ran, so that a busy machine does not matter, with room for its cold code; the
// strict figures are printed by test/bench/hostile.bench.ts.
const MOST_RUN = 2000;

const scripts = hostileScripts();

test('there are at least 60 scripts', () => {
  expect(scripts.length).toBeGreaterThanOrEqual(60);
});

test.each(scripts.map((script) => [script.name, script] as const))(
  '%s is contained, and another handler answers throughout',
  async (_name, script) => {
    const engine = await hostileEngine(folder({}), writeFileSync, script);
    const { result, cpu, asked, answered, after } = await contain(engine);
    expect(unexpected(script, result)).toBeUndefined();
    expect(answered).toBe(asked);
    expect(isFine(after, 0)).toBe(true);
    expect(cpu).toBeLessThan(MOST_RUN);
    engine.close();
  },
);
