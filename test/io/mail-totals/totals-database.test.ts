import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TotalsDatabase, usualTotalsPath } from '../../../src/io/mail-totals/index.ts';
import type { Diagnostics } from '../../../src/model/index.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const MONTH = '2026-01-01 00:00:00';
const one = [{ month: MONTH, received: 2, delivered: 1 }];

let directory: string;
let path: string;
let said: string[];
let clock: FakeClock;
let totals: TotalsDatabase;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'totals-'));
  path = join(directory, 'below', 'accounting.db');
  said = [];
  clock = new FakeClock();
  const error = (_target: string, text: string): void => void said.push(text);
  totals = new TotalsDatabase(path, clock, { error } as unknown as Diagnostics);
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

function rows(): unknown[] {
  const database = new DatabaseSync(path);
  const found = database.prepare('SELECT event_time, received, delivered FROM accounting').all();
  database.close();
  return found.map((row) => ({ ...row }));
}

test('is written every half minute and at the end, on top of what is there', async () => {
  totals.add(one);
  totals.add(one);
  await clock.advance(30_000);
  expect(rows()).toEqual([{ event_time: MONTH, received: 4, delivered: 2 }]);
  totals.add([...one, { month: '2026-02-01 00:00:00', received: 5, delivered: 0 }]);
  totals.close();
  expect(rows()).toEqual([
    { event_time: MONTH, received: 6, delivered: 3 },
    { event_time: '2026-02-01 00:00:00', received: 5, delivered: 0 },
  ]);
  expect(said).toEqual([]);
});

test('a database that somebody has locked is told of once, and nothing is lost', async () => {
  totals.add(one);
  await clock.advance(30_000);
  const other = new DatabaseSync(path);
  other.exec('BEGIN EXCLUSIVE');
  for (let round = 0; round < 3; round++) {
    totals.add(one);
    await clock.advance(30_000);
  }
  expect(said).toHaveLength(1);
  expect(said[0]).toContain('locked');
  other.exec('ROLLBACK');
  other.close();
  await clock.advance(30_000);
  expect(rows()).toEqual([{ event_time: MONTH, received: 8, delivered: 4 }]);
});

test('what is no database is told of once and left as it is', async () => {
  path = join(directory, 'accounting.db');
  const error = (_target: string, text: string): void => void said.push(text);
  totals = new TotalsDatabase(path, clock, { error } as unknown as Diagnostics);
  writeFileSync(path, 'this is a text about something else, of some length, as it were\n'.repeat(50));
  for (let round = 0; round < 3; round++) {
    totals.add(one);
    await clock.advance(30_000);
  }
  totals.close();
  expect(said).toHaveLength(1);
  expect(said[0]).toContain('not a database');
});

test('where policy names none, that of KumoMTA is used if there is one', () => {
  expect(usualTotalsPath(directory)).toBe(`${directory}/accounting.db`);
  expect(usualTotalsPath(`${directory}/none`)).toBeUndefined();
});
