import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('a reader that wants no more of --dump-openapi-spec makes no error', () => {
  const command = `'${process.execPath}' bin/moonpost.js --dump-openapi-spec | head -c 1; echo " \${PIPESTATUS[0]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(stdout).toBe('{ 0\n');
});
