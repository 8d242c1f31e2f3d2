import { expect, test } from 'vitest';
import { hasBareLineEnding, normalizeLineEndings } from '../../../src/protocol/smtp/index.ts';

test.each([
  ['', false, ''],
  ['a\r\nb\r\n', false, 'a\r\nb\r\n'],
  ['a\nb', true, 'a\r\nb'],
  ['a\rb', true, 'a\r\nb'],
  ['\n\r', true, '\r\n\r\n'],
  ['\r\r\n', true, '\r\n\r\n'],
  ['\r\n\n', true, '\r\n\r\n'],
  ['a\r', true, 'a\r\n'],
])('%j', (text, isBare, normalized) => {
  const body = Buffer.from(text);
  expect(hasBareLineEnding(body)).toBe(isBare);
  expect(normalizeLineEndings(body).toString()).toBe(normalized);
  if (!isBare) expect(normalizeLineEndings(body)).toBe(body);
});
