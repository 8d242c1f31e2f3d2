import { expect, test } from 'vitest';
import { countFor, forgetCounts, serviceOf } from '../../../src/flow/ready-queue/counts.ts';
import { measured } from '../../../src/model/index.ts';

/** Series of a metric, by their labels. */
function seriesOf(name: string): string[] {
  for (const [metric, series] of measured.entries()) if (metric === name) return [...series.keys()];
  return [];
}

test('a ready queue is counted by its name and by its protocol, and goes with the first alone', () => {
  const queue = 'ip1->mx.counts.test@smtp_client';
  countFor('ready_full', queue);
  countFor('ready_full', queue);
  countFor('ready_full', 'ip1->counts.test@lua:make.webhook');
  countFor('ready_full', 'maildir');
  expect(measured.series('ready_full', `smtp_client:${queue}`).value).toBe(2);
  expect(measured.series('ready_full', 'smtp_client').value).toBe(2);
  expect(measured.series('ready_full', 'lua').value).toBe(1);
  expect(seriesOf('ready_full')).toContain('lua:ip1->counts.test@lua:make.webhook');
  expect(seriesOf('ready_full')).toContain('maildir');
  forgetCounts(queue);
  expect(seriesOf('ready_full')).not.toContain(`smtp_client:${queue}`);
  expect(seriesOf('ready_full')).toContain('lua:ip1->counts.test@lua:make.webhook');
  expect(measured.series('ready_full', 'smtp_client').value).toBe(2);
});

test('what metrics call a ready queue', () => {
  expect(serviceOf('a->b@smtp_client')).toBe('smtp_client:a->b@smtp_client');
  expect(serviceOf('a->b@lua:make')).toBe('lua:a->b@lua:make');
  expect(serviceOf('xfer')).toBe('xfer');
});
