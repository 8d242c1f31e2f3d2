import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type TailOptions, tail } from '../../src/cli/tail.ts';
import { type RecordFilterOptions, recordFilter, recordFilterOptions } from '../../src/cli/tail-filter.ts';
import { recordLine } from '../../src/cli/tail-line.ts';
import type { LogRecord } from '../../src/model/index.ts';

const delivery: Partial<LogRecord> = {
  type: 'Delivery',
  id: 'a1',
  sender: 'News@Shop.example',
  recipient: ['joe@b.example', 'ann@c.example'],
  queue: 'spring:shop@b.example',
  site: 'ip1->mx.b.example@smtp_client',
  response: {
    code: 250,
    enhanced_code: { class: 2, subject: 0, detail: 0 },
    content: 'Ok, queued',
    command: '.\r\n',
  },
  peer_address: { name: 'mx.b.example', addr: '192.0.2.1' },
  timestamp: 1_767_323_045,
  event_time: '2026-01-02T03:04:05.006789Z',
  num_attempts: 2,
  bounce_classification: 'Uncategorized',
  egress_pool: 'pool',
  egress_source: 'ip1',
  provider_name: 'bmail',
  meta: { tenant: 'meta-tenant' },
  session_id: 's1',
};
const rejection: Partial<LogRecord> = {
  type: 'Rejection',
  id: '',
  sender: '',
  recipient: '',
  queue: '',
  response: { code: 550, enhanced_code: null, content: 'no\u001b[31m relaying', command: null },
  timestamp: 1_767_323_050,
  event_time: '2026-01-02T03:04:10Z',
  egress_source: null,
  peer_address: { name: '', addr: '192.0.2.9' },
};

/** What the command line makes of these words. */
function parsed(...words: string[]): RecordFilterOptions {
  const command = recordFilterOptions(new Command('tail'))
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  return command.parse(words, { from: 'user' }).opts();
}

describe('records are chosen', () => {
  test.each([
    ['--type delivery', true],
    ['--type Bounce,Expiration', false],
    ['--type Bounce --type Delivery', true],
    ['--id a1', true],
    ['--id a', false],
    ['--sender *@shop.example', true],
    ['--sender *@example', false],
    ['--recipient ann@*', true],
    ['--domain c.example', true],
    ['--domain example', false],
    ['--queue spring:*', true],
    ['--site *mx.b*', true],
    ['--tenant shop', true],
    ['--tenant meta-tenant', true],
    ['--tenant spring', false],
    ['--campaign spring', true],
    ['--code 250', true],
    ['--code 2xx', true],
    ['--code 400-559', false],
    ['--class uncategorized', true],
    ['--source ip1', true],
    ['--pool p*l', true],
    ['--pool pool*pool', false],
    ['--provider bmail', true],
    ['--peer 192.0.2.*', true],
    ['--peer mx.b.example', true],
    ['--session s1', true],
    ['--contains ok,', true],
    ['--contains later', false],
    ['--since 2026-01-02T03:04:05Z', true],
    ['--since 2026-01-02T03:04:07Z', false],
    ['--type Delivery --code 5xx', false],
  ])('by %s: %s', (words, wanted) => {
    expect(recordFilter(parsed(...words.split(' ')))!(delivery)).toBe(wanted);
  });

  test('what a record does not have fits nothing', () => {
    for (const words of ['--source *', '--session *', '--tenant *', '--pool *', '--class *']) {
      expect(recordFilter(parsed(...words.split(' ')))!(rejection)).toBe(false);
    }
    expect(recordFilter(parsed('--code', '5xx', '--peer', '192.0.2.9'))!(rejection)).toBe(true);
  });

  test.each(['--type Deliver', '--code 5', '--code abc', '--since soon'])('%s is refused', (words) => {
    expect(() => parsed(...words.split(' '))).toThrow(/invalid/);
  });
});

test('a line for people says when, what, for whom, which way and what was answered, and steers no terminal', () => {
  expect(recordLine(delivery)).toBe(
    '2026-01-02 03:04:05.006Z Delivery         <News@Shop.example> -> <joe@b.example +1> queue=spring:shop@b.example ' +
      'source=ip1 peer=mx.b.example[192.0.2.1] attempts=2 id=a1: 250 2.0.0 Ok, queued',
  );
  expect(recordLine(rejection)).toBe(
    '2026-01-02 03:04:10Z Rejection        <> -> <> peer=192.0.2.9: 550 no?[31m relaying',
  );
  expect(recordLine({})).toContain('?');
});

describe('tail', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'moonpost-tail-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const segment = (name: string, ...lines: string[]): void =>
    writeFileSync(join(directory, name), zstdCompressSync(lines.map((line) => `${line}\n`).join('')), {
      mode: 0o444,
    });
  async function printed(options: Partial<TailOptions>): Promise<string> {
    let all = '';
    const add = (text: string): void => {
      all += text;
    };
    await tail(directory, { pattern: '*', follow: false, ...options }, add, new AbortController().signal);
    return all;
  }

  test('what is wanted, as JSON or for people; what a template made is shown when nothing is chosen', async () => {
    segment('1', JSON.stringify(delivery), 'made by a template', JSON.stringify(rejection));
    expect(await printed({})).toBe(
      `${JSON.stringify(delivery)}\nmade by a template\n${JSON.stringify(rejection)}\n`,
    );
    expect(await printed({ type: ['Rejection'] })).toBe(`${JSON.stringify(rejection)}\n`);
    expect(await printed({ text: true })).toBe(
      `${recordLine(delivery)}\nmade by a template\n${recordLine(rejection)}\n`,
    );
  });

  test('a checkpoint goes on where it was; --tail begins with the newest segment', async () => {
    segment('1', '{"n":1}', '{"n":2}');
    segment('2', '{"n":3}');
    expect(await printed({ checkpoint: 'mine', batchSize: 2 })).toBe('{"n":1}\n{"n":2}\n{"n":3}\n');
    expect(existsSync(join(directory, '.mine'))).toBe(true);
    segment('3', '{"n":4}');
    expect(await printed({ checkpoint: 'mine' })).toBe('{"n":4}\n');
    expect(await printed({ checkpoint: 'mine' })).toBe('');
    expect(await printed({ tail: true, checkpoint: 'mine' })).toBe('{"n":4}\n');
    expect(await printed({ tail: true, pattern: '[12]' })).toBe('{"n":3}\n');
  });

  test('the checkpoint of KumoMTA is understood', async () => {
    segment('1', '{"n":1}');
    segment('2', '{"n":2}', '{"n":3}');
    writeFileSync(join(directory, '.tailer-checkpoint'), JSON.stringify({ file: '/elsewhere/2', line: 1 }));
    expect(await printed({ checkpoint: 'tailer-checkpoint' })).toBe('{"n":3}\n');
    expect(JSON.parse(readFileSync(join(directory, '.tailer-checkpoint'), 'utf8'))).toEqual({
      after: '2',
      lines: {},
    });
  });

  test('a finished file that ends within a line is told of; what is no zstd is skipped', async () => {
    const complaints = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    writeFileSync(join(directory, '1'), zstdCompressSync('{"n":1}\n{"n":'), { mode: 0o444 });
    writeFileSync(join(directory, '2'), 'plain text', { mode: 0o444 });
    segment('3', '{"n":2}');
    expect(await printed({})).toBe('{"n":1}\n{"n":2}\n');
    const said = complaints.mock.calls.flat().join('');
    complaints.mockRestore();
    expect(said).toContain('/1: ends within a line');
    expect(said).toContain('/2: no zstd frame');
  });
});
