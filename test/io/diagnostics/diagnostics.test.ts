import { describe, expect, test } from 'vitest';
import { DiagnosticFilter } from '../../../src/io/diagnostics/index.ts';
import { formatDiagnostic, hourlyName, redacted } from '../../../src/io/diagnostics/lines.ts';

describe('filters (operations.md 1.7)', () => {
  const shown = (filter: string, target: string): string[] => {
    const parsed = DiagnosticFilter.parse(filter);
    return (['error', 'warn', 'info', 'debug'] as const).filter((level) => parsed.shows(target, level));
  };

  test.each([
    ['info', 'spool', ['error', 'warn', 'info']],
    ['off', 'spool', []],
    ['trace', 'spool', ['error', 'warn', 'info', 'debug']],
    ['warn,spool=debug', 'spool', ['error', 'warn', 'info', 'debug']],
    ['warn,spool=debug', 'lua', ['error', 'warn']],
    ['spool=debug', 'lua', ['error']],
    [' SPOOL=off , Info ', 'lua', ['error', 'warn', 'info']],
    ['kumod=debug,ready-queue=warn', 'ready-queue', ['error', 'warn']],
    ['kumod=debug,ready-queue=warn', 'scheduled-queue', ['error', 'warn', 'info', 'debug']],
    ['kumod=debug', 'lua', ['error']],
    ['config=info', 'policy', ['error', 'warn', 'info']],
    ['kumod::smtp_server=debug', 'smtp-server', ['error', 'warn', 'info', 'debug']],
    ['off,peer=debug', 'peer', ['error', 'warn', 'info', 'debug']],
    // The default of KumoMTA.
    [
      'kumod=info,config=info,kumo_server_common=info,spool=info,lua=info',
      'reception',
      ['error', 'warn', 'info'],
    ],
  ])('%s for %s', (filter, target, levels) => {
    expect(shown(filter, target)).toEqual(levels);
  });

  test.each(['loud', 'spool=loud', '=info', 'info,spool'])(
    '%s is refused, and the part is named',
    (filter) => {
      expect(() => DiagnosticFilter.parse(filter)).toThrow(
        /^'[^',]*' is no diagnostic filter: use LEVEL or TARGET=LEVEL/,
      );
    },
  );
});

describe('formats', () => {
  const line = {
    time: Date.UTC(2026, 0, 2, 3, 4, 5) + 6.789,
    level: 'warn',
    thread: 'shard-1',
    target: 'spool',
    text: 'a\u001b[31m\nb',
  } as const;

  test('full: time with microseconds, level, thread, target, text that steers nothing', () => {
    expect(formatDiagnostic(line, 'full')).toBe(
      '2026-01-02T03:04:05.006789Z  WARN shard-1 spool: a\\u{1b}[31m\n    b\n',
    );
  });

  test('compact, pretty and json say the same', () => {
    expect(formatDiagnostic(line, 'compact')).toBe(
      '2026-01-02T03:04:05.006789Z  WARN shard-1 a\\u{1b}[31m\n    b (spool)\n',
    );
    expect(formatDiagnostic(line, 'pretty')).toBe(
      '  2026-01-02T03:04:05.006789Z  WARN spool: a\\u{1b}[31m\n    b\n    on shard-1\n\n',
    );
    expect(JSON.parse(formatDiagnostic(line, 'json'))).toEqual({
      timestamp: '2026-01-02T03:04:05.006789Z',
      level: 'WARN',
      fields: { message: line.text },
      target: 'spool',
      threadName: 'shard-1',
    });
  });

  test('a file for every hour', () => {
    expect(hourlyName(line.time)).toBe('log.2026-01-02-03');
  });
});

describe('secrets are not shown', () => {
  test.each([
    ['cannot reach redis://user:S3CR3T@10.0.0.1:6379/0', 'cannot reach redis://***@10.0.0.1:6379/0'],
    ['rediss://:S3CR3T@h and https://S3CR3T@h/p', 'rediss://***@h and https://***@h/p'],
    ['Authorization: Basic S3CR3T=', 'Authorization: ***'],
    [`{"authorization":"Bearer S3CR3T","a":1}`, `{"authorization":"***","a":1}`],
    ['AUTH PLAIN S3CR3T', 'AUTH PLAIN ***'],
    [
      `-----BEGIN PRIVATE KEY-----\nS3CR3T\n-----END PRIVATE KEY----- is bad`,
      '-----BEGIN PRIVATE KEY----- *** is bad',
    ],
    ['-----BEGIN RSA PRIVATE KEY-----\nS3CR3T cut off', '-----BEGIN RSA PRIVATE KEY----- ***'],
    [`{ smtp_auth_plain_password = "S3CR3T" }`, `{ smtp_auth_plain_password = "***" }`],
    ['https://h/p?token=S3CR3T&n=1', 'https://h/p?token=***&n=1'],
  ])('%s', (text, shown) => {
    expect(redacted(text)).toBe(shown);
  });

  test.each([
    'a.',
    'a://',
    'password="',
    'password=\'"',
    '-----BEGIN ',
    '-----BEGIN PRIVATE KEY-----',
    'authorization: ',
  ])('a long line of %s takes no time that grows with its square', (piece) => {
    const took = (times: number): number => {
      const text = piece.repeat(times);
      const begun = process.cpuUsage();
      redacted(text);
      const { user, system } = process.cpuUsage(begun);
      return user + system;
    };
    took(1000);
    // Squared it would be 256 times as much; a busy machine and small times blur it.
    const [few, many] = [Math.max(took(5000), 2000), took(80_000)];
    expect(many / few).toBeLessThan(128);
  });

  test('what only speaks of them is left as it is', () => {
    const text = `policy.lua:3: option 'smtp_auth_plain_password': expected string, got 5; user@example.com, http://a/b`;
    expect(redacted(text)).toBe(text);
  });
});
