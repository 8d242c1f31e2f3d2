import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { launcher } from '../kit/moonpost.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 240_000 });

function script(policy: string, args: readonly string[]) {
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-script-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'policy.lua');
  writeFileSync(file, policy);
  const command = [launcher, '--script', '--policy', file, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
  return { status, stdout, stderr, file };
}

test('--script runs main with the arguments, without pre_init and init', () => {
  const { status, stdout, stderr } = script(
    `local kumo = require 'kumo'
kumo.on('pre_init', function() print 'pre_init' end)
kumo.on('init', function() print 'init' end)
kumo.on('get_queue_config', function(domain)
  return kumo.make_queue_config { egress_pool = 'pool of ' .. domain }
end)
kumo.on('main', function(...)
  kumo.on('late', function() end)
  print(select('#', ...), ...)
  kumo.time.sleep(0.01)
  print(kumo.invoke_get_queue_config('t@example.com').egress_pool)
  local n = 0
  for i = 1, 20000000 do n = n + i end -- longer than a handler of the server may take
  print(n)
end)`,
    ['--', 'a', '--b c', ''],
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toBe('3\ta\t--b c\t\npool of example.com\n200000010000000\n');
});

test('--script-args come before the arguments after --', () => {
  const policy = `local kumo = require 'kumo'\nkumo.on('main', function(...) print(...) end)`;
  const { stdout, stderr } = script(policy, ['--script-args', 'a', '--script-args', 'b c', '--', 'd']);
  expect([stdout, stderr]).toEqual(['a\tb c\td\n', '']);
});

test('errors of main name file and line, and give 1', () => {
  const { status, stderr, file } = script(
    `local kumo = require 'kumo'
kumo.on('main', function() kumo.get_queue_conf() end)`,
    [],
  );
  expect(status).toBe(1);
  expect(stderr).toContain(`Error: ${file}:2: attempt to call a nil value (field 'get_queue_conf')`);
});

test('a policy without main, one that does not load, and arguments without --script', () => {
  const without = script(`local kumo = require 'kumo'`, []);
  expect([without.status, without.stderr]).toEqual([
    1,
    `Error: ${without.file}: Event main has not been registered\n`,
  ]);
  const broken = script('kumo = ', []);
  expect([broken.status, broken.stderr]).toEqual([1, expect.stringContaining(`Error: ${broken.file}:1: `)]);
  const { status, stderr } = spawnSync(process.execPath, [launcher, 'frobnicate'], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([2, "error: unknown command 'frobnicate'\n"]);
  const near = spawnSync(process.execPath, [launcher, 'queue-sumary'], { encoding: 'utf8' });
  expect([near.status, near.stderr]).toEqual([
    2,
    "error: unknown command 'queue-sumary'\n(Did you mean queue-summary?)\n",
  ]);
});

test('what is printed without a policy: metrics, caches', () => {
  const printed = (option: string): unknown => {
    const { stdout } = spawnSync(process.execPath, [launcher, option], { encoding: 'utf8' });
    return JSON.parse(stdout);
  };
  expect(printed('--dump-lruttl-caches')).toEqual([]);
  expect(printed('--dump-metric-metadata')).toContainEqual({
    name: 'log_submit_full',
    help: 'Times that a logger was full',
    doc: null,
    metric_type: 'counter',
    label_names: ['logger'],
    buckets: null,
    pruning: false,
  });
});
