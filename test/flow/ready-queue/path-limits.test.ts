import { expect, test } from 'vitest';
import { systemShutdownTimeout } from '../../../src/flow/ready-queue/path-limits.ts';
import { parseOptions } from '../../../src/model/define/index.ts';
import { egressPathOptions } from '../../../src/model/options/index.ts';

test('system_shutdown_timeout is the sum of the timeouts unless set', () => {
  const path = (options: object) => parseOptions(egressPathOptions, options);
  expect(systemShutdownTimeout(path({}))).toBe(1_200_000);
  expect(systemShutdownTimeout(path({ system_shutdown_timeout: 10 }))).toBe(10_000);
});
