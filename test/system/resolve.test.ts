import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { launcher } from '../kit/moonpost.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 240_000 });

const directory = mkdtempSync(join(tmpdir(), 'moonpost-resolve-'));
afterAll(() => rmSync(directory, { recursive: true }));

function write(name: string, text: string): string {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
}

const SHAPING = write(
  'shaping.toml',
  `["default"]
connection_limit = 10
idle_timeout = "60s"
["example.org"]
max_message_rate = "20/s"
["example.org".sources."ip-1"]
connection_limit = "local:2"
[provider."big"]
match = [{MXSuffix = ".bigmail.net"}]
provider_connection_limit = 7
`,
);
const QUEUES = write(
  'queues.toml',
  '[tenant.t1]\negress_pool = "p1"\n[queue.default]\nmax_message_rate = "5/s"\n',
);
const DNS = `kumo.on('pre_init', function()
  kumo.dns.configure_test_resolver { 'example.org. MX 10 mx.example.org.\\nbig.example. MX 10 a.bigmail.net.\\n' }
end)
`;
const HELPERS = write(
  'helpers.lua',
  `local kumo = require 'kumo'
${DNS}
local shaper = require('policy-extras.shaping'):setup_with_automation {
  no_default_files = true,
  extra_files = { '${SHAPING}' },
}
kumo.on('get_egress_path_config', function(domain, source, site)
  local params = shaper.get_egress_path_config(domain, source, site, true)
  if domain == 'big.example' then params.idle_timeout = '5m' end
  return kumo.make_egress_path(params)
end)
require('policy-extras.queue'):setup { '${QUEUES}' }
`,
);
const BARE = write('bare.lua', `local kumo = require 'kumo'\n${DNS}`);
const BROKEN = write(
  'broken.lua',
  `local kumo = require 'kumo'
kumo.on('get_egress_path_config', function() kumo.no_such() end)`,
);

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [launcher, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** Lines of a section, by what they set. */
function section(text: string, title: string): string[] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`# ${title}`));
  const end = lines.findIndex((line, index) => index > start && line === '# built-in defaults:');
  return lines.slice(start, end).map((line) => line.replace(/ +#/, ' #'));
}

test('resolve-shaping-domain: every option, and where it was said', () => {
  const { status, stdout, stderr } = run(
    'resolve-shaping-domain',
    '--policy',
    HELPERS,
    't1@example.org',
    'ip-1',
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(section(stdout, 'Queue')).toEqual([
    '# Queue t1@example.org',
    `egress_pool = "p1" # ${QUEUES}:2:1 [tenant.t1]`,
    `max_message_rate = "5/s" # ${QUEUES}:4:1 [queue.default]`,
    'refresh_strategy = "Epoch" # queue helper',
  ]);
  expect(section(stdout, 'Path')).toEqual([
    '# Path of example.org from source ip-1, site mx.example.org',
    `connection_limit = "local:2" # ${SHAPING}:7:1 ["example.org".sources."ip-1"]`,
    `max_message_rate = "20/s" # ${SHAPING}:5:1 ["example.org"]`,
    `idle_timeout = "1m" # ${SHAPING}:3:1 ["default"] (default)`,
    'refresh_strategy = "Epoch" # shaping helper',
  ]);
  expect(stdout).toContain('\nmax_ready = 1024\n');
  expect(stdout.slice(stdout.indexOf('# Ceilings'))).toBe(
    '# Ceilings\nConnections at one time: 2 (connection_limit)\nMessages: 5/s (scheduled queue max_message_rate)\nNew connections: no limit\nSelections of the source: no limit\n',
  );
});

test('resolve-shaping-domain --json: the same for programs', () => {
  const { stdout } = run('resolve-shaping-domain', '--json', '--policy', HELPERS, 'big.example');
  const { domain, source, site, mx, queue, path, constraints } = JSON.parse(stdout);
  expect({ domain, source, site, mx }).toEqual({
    domain: 'big.example',
    source: 'unspecified',
    site: 'a.bigmail.net',
    mx: ['a.bigmail.net'],
  });
  const option = (options: { option: string }[], name: string) =>
    options.find((entry) => entry.option === name);
  expect(queue.name).toBe('big.example');
  expect(option(queue.options, 'egress_pool')).toMatchObject({
    value: 'unspecified',
    origin: { kind: 'built-in' },
  });
  expect(option(path.options, 'additional_connection_limits.shaping-provider-big-unspecified-limit')).toEqual(
    {
      option: 'additional_connection_limits.shaping-provider-big-unspecified-limit',
      value: 7,
      origin: {
        kind: 'provider',
        provider: 'big',
        section: '[provider."big"]',
        file: SHAPING,
        line: 10,
        column: 1,
      },
    },
  );
  // The handler of the policy changes what the helper said.
  expect(option(path.options, 'idle_timeout')).toMatchObject({
    value: '5m',
    origin: { kind: 'policy', file: HELPERS, line: expect.any(Number) },
  });
  expect(constraints.max_concurrent_dispatchers.value).toBe(7);
});

test('resolve-shaping-domain: the documents alone, in the order queue, path, ceilings', () => {
  const flags = ['--json-constraints', '--json-config', '--json-queue-config'];
  const { stdout } = run('resolve-shaping-domain', ...flags, '--policy', BARE, 'example.org');
  const [queue, path, ceilings] = stdout.split(/^(?=\{)/m).map((text) => JSON.parse(text));
  expect(queue).toMatchObject({ egress_pool: 'unspecified', max_retry_interval: null });
  expect(path).toMatchObject({ connection_limit: { limit: 32, force_local: false } });
  expect(path).not.toHaveProperty('rustls_cipher_suites');
  expect(ceilings.max_concurrent_dispatchers).toMatchObject({
    value: 32,
    source: { kind: 'primary' },
  });
});

test('a domain that DNS does not know stands for its site', () => {
  const { status, stdout, stderr } = run('resolve-shaping-domain', '--policy', BARE, 'gone.example', 'a');
  expect([status, stderr]).toEqual([
    0,
    'Warning: no such domain: gone.example; the domain stands for its site\n',
  ]);
  expect(stdout).toContain('# Path of gone.example from source a, site gone.example\n');
});

test('resolve-queue-config', () => {
  const text = run('resolve-queue-config', '--policy', HELPERS, 'c:t1@example.org');
  expect(text.stdout).toMatch(/^# Queue c:t1@example.org\negress_pool = "p1" +# .*queues.toml:2:1/);
  const json = JSON.parse(
    run('resolve-queue-config', '--json', '--policy', HELPERS, 't1@example.org').stdout,
  );
  expect(json.options[0]).toEqual({
    option: 'egress_pool',
    value: 'p1',
    origin: { kind: 'file', section: '[tenant.t1]', file: QUEUES, line: 2, column: 1 },
  });
  const config = JSON.parse(
    run('resolve-queue-config', '--json-config', '--policy', HELPERS, 't1@x.example').stdout,
  );
  expect(config).toMatchObject({ egress_pool: 'p1', max_message_rate: '5/s' });
});

test('resolve-site-name and explain-throttle', () => {
  expect(run('resolve-site-name', '--policy', BARE, 'big.example')).toEqual({
    status: 0,
    stdout: 'a.bigmail.net\n',
    stderr: '',
  });
  expect(run('resolve-site-name', '[192.0.2.1]:26').stdout).toBe('192.0.2.1:26\n');
  expect(run('resolve-site-name', '--policy', BARE, 'gone.example')).toEqual({
    status: 1,
    stdout: '',
    stderr: 'Error: no such domain: gone.example\n',
  });
  expect(run('explain-throttle', 'local:1,000/h,max_burst=10').stdout).toBe(
    `throttle  local:1000/h,max_burst=10
burst     11 at once after a pause
then      one every 3s 600ms
rate      0.278 per second, 16.7 per minute, 1000 per hour, 24000 per day
counted   by this process alone
`,
  );
  expect(run('explain-throttle', '10 a day')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("'10 a day'"),
  });
});

test('what goes wrong', () => {
  expect(run('resolve-shaping-domain', '--policy', BROKEN, 'example.org')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining(`Error: ${BROKEN}:2: `),
  });
  expect(run('resolve-shaping-domain', '--policy', BARE).status).toBe(2);
  expect(run('resolve-shaping-domain', '--no-such', '--policy', BARE, 'x').status).toBe(2);
  expect(run('resolve-queue-config', '--policy', join(directory, 'missing.lua'), 'x')).toMatchObject({
    status: 1,
  });
});
