import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../src/io/clock/index.ts';
import { LocalCounters, LocalThrottles } from '../src/io/limits/index.ts';
import { checkPolicy } from '../src/policy-start.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'moonpost-check-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const none = (): void => {};

/** What checking the policy says, with hardly any time for it. */
async function check(source: string): Promise<string> {
  const file = join(folder, 'init.lua');
  writeFileSync(file, `local kumo = require 'kumo'\n${source}`);
  const limits = { throttles: new LocalThrottles(systemClock), counters: new LocalCounters() };
  const diagnostics = { error: none, warn: none, info: none, debug: none };
  const failure = await checkPolicy({ file, diagnostics, limits }, 100).then(
    () => 'good',
    (error: Error) => error.message,
  );
  return failure.replaceAll(file, 'init.lua');
}

test('a candidate whose top level waits without end is given up, with the line where it does', async () => {
  expect(await check(`kumo.sleep(10)`)).toBe(
    'init.lua:2: kumo.sleep: the policy is still not loaded after 0.1 s',
  );
});

test.each(['pre_init', 'init', 'validate_config'])('so is one whose %s does', async (event) => {
  const source = `kumo.on('${event}', function()\n  pcall(kumo.time.sleep, 10)\nend)`;
  expect(await check(source)).toBe(
    'Initialization raised an error: init.lua:3: kumo.time.sleep: the event is still not over after 0.1 s',
  );
});

test('one that waits a little is good', async () => {
  expect(await check(`kumo.on('init', function() kumo.time.sleep(0.01) end)`)).toBe('good');
});
