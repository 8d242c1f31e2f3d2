import { expect, test } from 'vitest';
import { shortened, showValue } from '../../../src/model/define/index.ts';

test('long error texts lose their middle; the end says what is wrong', () => {
  expect(shortened(`'abc' is no time`)).toBe(`'abc' is no time`);
  const text = shortened(`'${'a'.repeat(1024 * 1024)}' is no time`);
  expect(text.length).toBeLessThan(2000);
  expect(text).toMatch(/^'aaaa.*a \.\.\.\(1046789 characters left out\)\.\.\. a.*aaa' is no time$/);
});

test('secrets are not shown', () => {
  const text = showValue({
    node: 'redis://me:canary@db.example/1',
    nested: { password: 'canary' },
    auth_token: 'canary',
  });
  expect(text).toBe(
    '{"node":"redis://(not shown)@db.example/1","nested":{"password":"(not shown)"},"auth_token":"(not shown)"}',
  );
});
