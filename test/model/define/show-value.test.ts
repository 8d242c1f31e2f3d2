import { expect, test } from 'vitest';
import { shortened } from '../../../src/model/define/index.ts';

test('long error texts lose their middle; the end says what is wrong', () => {
  expect(shortened(`'abc' is no time`)).toBe(`'abc' is no time`);
  const text = shortened(`'${'a'.repeat(1024 * 1024)}' is no time`);
  expect(text.length).toBeLessThan(2000);
  expect(text).toMatch(/^'aaaa.*a \.\.\.\(1046789 characters left out\)\.\.\. a.*aaa' is no time$/);
});
