import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { launcher } from '../kit/moonpost.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 240_000 });

const directory = mkdtempSync(join(tmpdir(), 'moonpost-validate-'));
afterAll(() => rmSync(directory, { recursive: true }));

const path = (name: string): string => join(directory, name);
const FILES = {
  zone: 'example.org. MX 10 mx.example.org.\nexample.com. MX 10 mx.example.org.\nnull.example. MX 0 .\n',
  'good.toml':
    '["default"]\nconnection_limit = 10\n["example.org".sources."ip-1"]\nmax_message_rate = "1/s"\n',
  'bad.toml': '["example.org"]\nidle_timeout = "60s"\nmax_mesage_rate = "1/s"\n',
  'warned.toml': '["example.com"]\nidle_timeout = "60s"\n["gone.example"]\n["null.example"]\n',
  'syntax.toml': '["example.org"]\nsmtp_port = 25 26\n',
  'sources.toml': '[source."ip-2"]\nsource_address = "192.0.2.1"\n',
  'bad.zone': 'example.org. MX ten\n',
};
for (const [name, text] of Object.entries(FILES)) writeFileSync(path(name), text);

function validate(args: readonly string[], { command = [launcher, 'validate-shaping'] } = {}) {
  const run = [...command, ...args.map((arg) => (arg in FILES ? path(arg) : arg))];
  const { status, stdout, stderr } = spawnSync(process.execPath, run, { encoding: 'utf8' });
  return { status, stdout, stderr: stderr.replaceAll(`${directory}/`, '') };
}

test('good files are OK, under both names of the command', () => {
  const ok = { status: 0, stdout: '', stderr: 'OK\n' };
  expect(validate(['--offline', 'zone', 'good.toml'])).toEqual(ok);
  const own = [join(launcher, '../validate-shaping.js')];
  expect(validate(['--offline', 'zone', 'good.toml'], { command: own })).toEqual(ok);
});

test('an error: where it is, and 1', () => {
  expect(validate(['--offline', 'zone', 'good.toml', 'bad.toml'])).toEqual({
    status: 1,
    stdout: '',
    stderr: `ERROR: bad.toml:3:1: unknown-option: 'max_mesage_rate' is no option, in ["example.org"]; did you mean 'max_message_rate'?\n`,
  });
});

test('no TOML: the line with a caret', () => {
  expect(validate(['--offline', 'zone', 'syntax.toml'])).toEqual({
    status: 1,
    stdout: '',
    stderr:
      'ERROR: syntax.toml:2:16: syntax: each key-value declaration must be followed by an end-of-line\n' +
      '  2 | smtp_port = 25 26\n' +
      '    |                ^\n',
  });
});

const DNS_WARNINGS = [
  'warned.toml:1:2: aliased-site: multiple domain blocks alias to the same site: mx.example.org: example.org, example.com (good.toml:3)',
  'warned.toml:3:2: dns-failure: error resolving MX for gone.example: no such domain: gone.example. Ignoring the shaping config for that domain.',
  'warned.toml:4:2: null-mx: domain null.example has a NULL MX and cannot be used with mx_rollup=true. Ignoring the shaping config for that domain.',
];

test('warnings are no failure, unless their level says so', () => {
  const files = ['--offline', 'zone', 'good.toml', 'warned.toml'];
  expect(validate(files)).toEqual({
    status: 0,
    stdout: '',
    stderr: `${DNS_WARNINGS.map((line) => `WARNING: ${line}\n`).join('')}OK\n`,
  });
  const levels = ['--dns-fail', 'ignore', '--null-mx', 'ERROR', '--aliased-site', 'Ignore'];
  expect(validate([...levels, ...files])).toEqual({
    status: 1,
    stdout: '',
    stderr: `ERROR: ${DNS_WARNINGS[2]}\n`,
  });
});

test('files and URLs that are not there', () => {
  const url = 'http://127.0.0.1:1/shaping.toml';
  const skipped = validate(['--offline', 'zone', '--skip-remote', url, path('missing.toml')]);
  expect(skipped).toEqual({
    status: 1,
    stdout: '',
    stderr:
      `WARNING: ${url}:1:1: skipped-remote: Ignoring ${url} because skip_remote is set to true\n` +
      'ERROR: missing.toml:1:1: unreadable-file: local shaping source missing.toml error: missing.toml: there is no such file\n',
  });
  const levels = ['--remote-load', 'error', '--local-load', 'warn', '--http-timeout', '30s'];
  const fetched = validate(['--offline', 'zone', ...levels, url, path('missing.toml')]);
  expect(fetched.status).toBe(1);
  expect(fetched.stderr).toMatch(
    /^ERROR: http:\/\/127.0.0.1:1\/shaping.toml:1:1: unreachable-url: remote shaping source .* error: .*\nWARNING: missing.toml:1:1: /,
  );
});

test('sources that are not defined', () => {
  expect(validate(['--offline', 'zone', '--sources', 'sources.toml', 'good.toml'])).toEqual({
    status: 1,
    stdout: '',
    stderr: `ERROR: good.toml:3:24: dead-source: Source 'ip-1' is not present in your sources data. Referenced by ["example.org".sources."ip-1"]; did you mean 'ip-2'?\n`,
  });
});

test('for programs: JSON, workflow commands, SARIF', () => {
  const files = [
    '--offline',
    'zone',
    'bad.toml',
    'warned.toml',
    '--aliased-site',
    'Ignore',
    '--null-mx',
    'Ignore',
  ];
  const json = validate(['--format', 'json', ...files]);
  expect([json.status, json.stderr]).toEqual([1, '']);
  expect(JSON.parse(json.stdout)).toEqual({
    ok: false,
    errors: 1,
    warnings: 1,
    findings: [
      {
        level: 'error',
        rule: 'unknown-option',
        file: path('bad.toml'),
        line: 3,
        column: 1,
        text: `'max_mesage_rate' is no option, in ["example.org"]; did you mean 'max_message_rate'?`,
      },
      {
        level: 'warning',
        rule: 'dns-failure',
        file: path('warned.toml'),
        line: 3,
        column: 2,
        text: expect.any(String),
      },
    ],
  });
  const github = validate(['--format', 'github', ...files]);
  expect(github.stdout.split('\n')).toEqual([
    `::error file=${path('bad.toml')},line=3,col=1,title=unknown-option::'max_mesage_rate' is no option, in ["example.org"]; did you mean 'max_message_rate'?`,
    expect.stringMatching(
      /^::warning file=.*warned\.toml,line=3,col=2,title=dns-failure::error resolving MX/,
    ),
    '',
  ]);
  const sarif = JSON.parse(validate(['--format', 'sarif', ...files]).stdout);
  expect(sarif.version).toBe('2.1.0');
  const [{ tool, results }] = sarif.runs;
  const ids = tool.driver.rules.map(({ id }: { id: string }) => id);
  expect(
    results.map(({ ruleId, level }: { ruleId: string; level: string }) => [ids.includes(ruleId), level]),
  ).toEqual([
    [true, 'error'],
    [true, 'warning'],
  ]);
  expect(results[0].locations[0].physicalLocation).toEqual({
    artifactLocation: { uri: path('bad.toml') },
    region: { startLine: 3, startColumn: 1 },
  });
});

test('bad usage gives 2, a zone that cannot be read 1', () => {
  expect(validate([]).status).toBe(2);
  expect(validate(['--dns-fail', 'loud', 'good.toml'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('Give one of Ignore, Warn, Error.'),
  });
  expect(validate(['--format', 'xml', 'good.toml']).status).toBe(2);
  expect(validate(['--no-such', 'good.toml']).status).toBe(2);
  expect(validate(['--offline', 'bad.zone', 'good.toml'])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("bad.zone: line 1: cannot read 'example.org. MX ten'"),
  });
});
