import { expect, test } from 'vitest';
import { systemShutdownTimeout } from '../../../src/flow/ready-queue/path-limits.ts';
import { watchdogTimeout } from '../../../src/flow/ready-queue/watchdog.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import { egressPathOptions } from '../../../src/model/options/index.ts';

const path = (options: object) => parseOptions(egressPathOptions, options);

test('system_shutdown_timeout is the sum of the timeouts unless set', () => {
  expect(systemShutdownTimeout(path({}))).toBe(1_200_000);
  expect(systemShutdownTimeout(path({ system_shutdown_timeout: 10 }))).toBe(10_000);
});

test('the patience of the watchdog is twice the longest step of a transaction, at least a minute, unless set', () => {
  expect(watchdogTimeout(path({}))).toBe(600_000);
  for (const step of ['mail_from', 'rcpt_to', 'data', 'data_dot']) {
    expect(watchdogTimeout(path({ [`${step}_timeout`]: 1000 }))).toBe(2_000_000);
  }
  const quick = { mail_from_timeout: 5, rcpt_to_timeout: 5, data_timeout: 5, data_dot_timeout: 5 };
  expect(watchdogTimeout(path(quick))).toBe(60_000);
  expect(watchdogTimeout(path({ ...quick, dispatcher_progress_watchdog_timeout: 7 }))).toBe(7000);
});
