import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { AuditLines, DeliveryLogWriters, type LineBatch } from '../../../src/io/delivery-log/index.ts';
import type { AuditRecord } from '../../../src/model/access/index.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import { accountingFiles } from '../../../src/model/index.ts';
import { type AccountingLogOptions, accountingLogOptions } from '../../../src/model/options/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const auth_info = { peer_address: '192.0.2.1', identities: [], groups: [] };
const authentication = (success: boolean): AuditRecord => ({
  type: 'Authentication',
  timestamp: '2026-01-01T00:00:00.000Z',
  attempted_identity: { identity: 'alice', context: 'HttpBasicAuth' },
  success,
  auth_info,
});
const authorization = (access: 'Allow' | 'Deny'): AuditRecord => ({
  type: 'Authorization',
  timestamp: '2026-01-01T00:00:00.000Z',
  target_resource: 'http_listener/127.0.0.1:8000/metrics',
  privilege: 'GET',
  access,
  auth_info,
  considered_resources: [],
});
const ALL = [authentication(true), authentication(false), authorization('Allow'), authorization('Deny')];

function auditLines(options: object, send: (batches: LineBatch[]) => Promise<void>) {
  const clock = new FakeClock();
  const parsed = parseOptions(accountingLogOptions, { log_dir: '/log', ...options });
  return { clock, lines: new AuditLines({ options: parsed, logger: 3, clock, send }) };
}

test.each([
  ['log_authn_ok', 0],
  ['log_authn_fail', 1],
  ['log_authz_allow', 2],
  ['log_authz_deny', 3],
])('without %s the others are written', async (option, left) => {
  const sent: LineBatch[] = [];
  const { lines } = auditLines({ [option]: false }, async (batches) => void sent.push(...batches));
  for (const record of ALL) lines.write(record);
  await lines.flush();
  expect(sent).toHaveLength(1);
  expect(sent[0]).toMatchObject({ logger: 3, directory: '/log', suffix: '' });
  const written = sent[0]!.lines.trimEnd().split('\n');
  expect(written.map((line) => JSON.parse(line) as unknown)).toEqual(
    ALL.filter((_, index) => index !== left),
  );
});

test('too many that wait are said; those taken make room', async () => {
  let take = (): void => {};
  const taken = new Promise<void>((resolve) => {
    take = resolve;
  });
  const { lines, clock } = auditLines({ back_pressure: 3 }, () => taken);
  for (const record of ALL.slice(0, 2)) lines.write(record);
  expect(lines.isStalled).toBe(false);
  lines.write(ALL[2]!);
  expect(lines.isStalled).toBe(true);
  await clock.advance(1000);
  expect(lines.isStalled).toBe(true);
  take();
  await lines.flush();
  expect(lines.isStalled).toBe(false);
});

test('its files begin with acct- and share a directory with the delivery log', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'moonpost-audit-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'acct-20200101-000000.000'), '');
  writeFileSync(join(directory, 'something else'), '');
  const options: AccountingLogOptions = parseOptions(accountingLogOptions, { log_dir: directory });
  const files = accountingFiles([{ kind: 'aaa.configure_acct_log', options, where: 'init.lua:1' }]);
  const clock = new FakeClock();
  const diagnostics = { error: fail, warn: fail, info: fail, debug: fail };
  const writers = new DeliveryLogWriters(files, clock, diagnostics);
  await writers.append([{ logger: 0, directory, suffix: '', lines: '{"a":1}\n', records: 1 }]);
  await writers.close();
  const names = readdirSync(directory).sort();
  expect(names).toEqual([
    'acct-20200101-000000.000',
    expect.stringMatching(/^acct-\d{8}-\d{6}\.\d+$/),
    'something else',
  ]);
  expect(zstdDecompressSync(readFileSync(join(directory, names[1]!))).toString()).toBe('{"a":1}\n');
  const isFinished = (name: string): boolean => (statSync(join(directory, name)).mode & 0o222) === 0;
  expect(names.map(isFinished)).toEqual([true, true, false]);
});

function fail(target: string, text: string): void {
  throw new Error(`${target}: ${text}`);
}
