import { expect, test } from 'vitest';
import type { SinkEnd, SinkVisit } from '../../src/cli/sink.ts';
import { PROVIDERS } from './outbound.ts';
import { firstAhead, mostAtOnce, seenLimits } from './provider-limits.ts';

const ports = [1000, 1001, 1002, 1003, 1004];
const visit = (port: number, begun: number, ended: number, client = 's1'): SinkVisit => ({
  port,
  client,
  begun,
  ended,
});
const message = (port: number, at: number, client = 's1'): SinkEnd => ({
  ...{ port, at, client, fault: null },
  ...{ id: null, sender: '', recipients: [], size: 1, secure: false },
});

test('connections that follow one another are not side by side', () => {
  expect(mostAtOnce([visit(1, 0, 5), visit(1, 5, 9), visit(1, 1, 2)])).toBe(2);
});

test('late is never ahead, early is', () => {
  expect(firstAhead([1000, 1001, 1002, 1003], 0, 1, 2)).toBeUndefined();
  expect(firstAhead([0, 1, 2], 0, 1, 2)).toMatch(/^3 within 0\.00 s/);
});

test.each<[string, SinkVisit[], SinkEnd[]]>([
  ['provider 0, s1 to 1000: 3 connections, limit 2', [1, 2, 3].map((n) => visit(1000, n, 9)), []],
  [
    'provider 1, together: 13 connections, limit 12',
    Array.from({ length: 13 }, (_, n) => visit(1001, n, 99, `s${n}`)),
    [],
  ],
  ['provider 2, messages s1 to 1002: 7 within', [], Array.from({ length: 7 }, (_, n) => message(1002, n))],
  [
    'provider 3, connections s1 to 1003: 7 within',
    Array.from({ length: 7 }, (_, n) => visit(1003, n, n + 0.5)),
    [],
  ],
  [
    'provider 4, messages together: 22 within',
    [],
    Array.from({ length: 22 }, (_, n) => message(1004, n / 100, `s${n}`)),
  ],
])('%s', (text, visits, ends) => {
  expect(PROVIDERS).toHaveLength(ports.length);
  expect(seenLimits(ends, visits, ports, 0).exceeded).toEqual([expect.stringContaining(text)]);
  expect(seenLimits(ends.slice(1), visits.slice(1), ports, 0).exceeded).toEqual([]);
});
