import { expect, test } from 'vitest';
import { formatDate } from '../../../src/protocol/mime/index.ts';

test('dates are written as RFC 5322 wants them', () => {
  expect(formatDate(Date.UTC(2026, 10, 21, 7, 3, 9))).toBe('Sat, 21 Nov 2026 07:03:09 +0000');
});

test('every day of a leap year reads back as itself', () => {
  for (let day = 0; day < 366; day++) {
    const time = Date.UTC(2028, 0, 1 + day, 23, 59, 58);
    expect(Date.parse(formatDate(time))).toBe(time);
  }
});
