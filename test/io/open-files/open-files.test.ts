import { expect, test } from 'vitest';
import { openFileAdvice, openFileLimit } from '../../../src/io/open-files/index.ts';

const limits = (soft: string): string =>
  `Limit                     Soft Limit           Hard Limit           Units\nMax processes             7                    9                    processes\nMax open files            ${soft}                 1048576              files\n`;

test('the limit is read as the system tells it', () => {
  expect(openFileLimit(limits('1024'))).toBe(1024);
  expect(openFileLimit(limits('unlimited'))).toBeUndefined();
  expect(openFileLimit('')).toBeUndefined();
  expect(openFileLimit()).toBeGreaterThan(100);
});

test('operators are told when it is low', () => {
  expect(openFileAdvice(1024)).toContain('at most 1024 files and connections');
  expect(openFileAdvice(1024)).toContain('LimitNOFILE=');
  expect(openFileAdvice(65_536)).toBeUndefined();
  expect(openFileAdvice(undefined)).toBeUndefined();
});
