import { expect, test } from 'vitest';
import { ownText } from '../../src/model/index.ts';

test('a text of its own is the same text, whatever is in it', () => {
  for (const text of ['', 'tenant@example.org', 'größe@例え.jp', '\ud800 alone', 'a'.repeat(5000)]) {
    expect(ownText(text)).toBe(text);
  }
});
