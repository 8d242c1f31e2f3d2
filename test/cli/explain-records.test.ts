import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { explainPage } from '../../src/cli/explain-page.ts';
import { recordsOf } from '../../src/cli/explain-records.ts';

const ID = '90126970e5f511f18001e3c0a225f295';
const DAY = '2026-11-21T';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'explain-records-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function record(type: string, time: string, more: object = {}) {
  const event_time = `${DAY}${time}Z`;
  const timestamp = Math.floor(Date.parse(event_time) / 1000);
  const response = { code: 250, enhanced_code: null, content: type, command: null };
  return { type, id: ID, event_time, timestamp, response, peer_address: null, site: '', ...more };
}

/** A finished segment, last written at `until`. */
function segment(name: string, until: string, ...records: object[]): void {
  const path = join(dir, name);
  writeFileSync(path, zstdCompressSync(records.map((one) => `${JSON.stringify(one)}\n`).join('')), {
    mode: 0o444,
  });
  const written = new Date(`${DAY}${until}Z`);
  utimesSync(path, written, written);
}

async function typesFound(): Promise<string[]> {
  const { records } = await recordsOf(ID, { dirs: [dir], isThorough: false });
  return records.map(({ type }) => type);
}

test('records of one second, from segments of their own, stand in the order in which things happened', async () => {
  segment('20261121-100000.100_any', '10:00:01', record('TransientFailure', '10:00:00.200'));
  segment('20261121-100000.150_recv', '10:00:01', record('Reception', '10:00:00.050'));
  segment('20261121-100000.300_out', '10:00:01', record('XferOut', '10:00:00.900'));
  expect(await typesFound()).toEqual(['Reception', 'TransientFailure', 'XferOut']);
});

test('a record that two loggers wrote is told once, though each has its own headers', async () => {
  const failed = record('TransientFailure', '10:00:00.200', { headers: {} });
  segment('20261121-100000.100', '10:00:01', record('Reception', '10:00:00.050'), failed);
  segment('20261121-100000.100_2', '10:00:01', { ...failed, headers: { Subject: 'x' } });
  expect(await typesFound()).toEqual(['Reception', 'TransientFailure']);
});

test('what a segment got that was begun before the one with the reception is found', async () => {
  segment('20261121-080000.000_any', '09:59:59', record('Delayed', '09:00:00.000'));
  segment('20261121-090000.000_any', '10:30:00', record('TransientFailure', '10:20:00.000'));
  segment('20261121-100000.000_recv', '10:10:00', record('Reception', '10:05:00.000'));
  expect(await typesFound()).toEqual(['Reception', 'TransientFailure']);
});

test('the last record of a message that has gone is that of its going', async () => {
  segment(
    '20261121-100000.000',
    '10:30:00',
    record('Reception', '10:00:00.000'),
    record('TransientFailure', '10:01:00.000'),
    record('XferOut', '10:02:00.000'),
  );
  const { records } = await recordsOf(ID, { dirs: [dir], isThorough: false });
  const told = { subject: `message ${ID}`, answer: 'x', log_dirs: [dir] };
  expect(explainPage({ ...told, found: false }, records)).toContain(
    'Last record: 2026-11-21T10:02:00.000Z XferOut',
  );
  expect(explainPage({ ...told, found: true }, records)).toContain('Z TransientFailure');
});
