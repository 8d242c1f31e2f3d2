import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  parseJsonText,
  replaceText,
  splitAsciiWhitespace,
  splitText,
  splitTextFromEnd,
  splitWhitespace,
  trimEnd,
  trimStart,
} from '../../src/model/index.ts';

test('split', () => {
  expect(splitText('a,b,c', ',')).toEqual(['a', 'b', 'c']);
  expect(splitText('a,b,c', ',', 2)).toEqual(['a', 'b,c']);
  expect(splitText('a', ',', 0)).toEqual([]);
  expect(splitTextFromEnd('a,b,c', ',')).toEqual(['c', 'b', 'a']);
  expect(splitTextFromEnd('a,b,c', ',', 2)).toEqual(['c', 'a,b']);
  expect(splitTextFromEnd('aaa', 'aa')).toEqual(['', 'a']);
  expect(splitText('aaa', 'aa')).toEqual(['', 'a']);
  expect(splitWhitespace('  a\u00a0b\tc ')).toEqual(['a', 'b', 'c']);
  expect(splitAsciiWhitespace('a\u00a0b c')).toEqual(['a\u00a0b', 'c']);
});

test('pieces joined again give the text', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 });
  const separator = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(text, separator, fc.integer({ min: 1, max: 4 }), (value, at, limit) => {
      expect(splitText(value, at, limit).join(at)).toBe(value);
      expect(splitTextFromEnd(value, at, limit).reverse().join(at)).toBe(value);
      expect(splitText(value, at, limit).length).toBeLessThanOrEqual(limit);
    }),
  );
});

test('replace and trim', () => {
  expect(replaceText('aXbXc', 'X', '$&')).toBe('a$&b$&c');
  expect(replaceText('aXbXc', 'X', '-', 1)).toBe('a-bXc');
  expect(replaceText('aXb', 'X', '-', 0)).toBe('aXb');
  expect(trimStart('\u2003 a ')).toBe('a ');
  expect(trimEnd(' a \u2003\n')).toBe(' a');
});

test('JSON with comments', () => {
  expect(parseJsonText('{"a": "//#/*", /* b */ "b": [1, // c\n 2] # d\n}')).toEqual({
    a: '//#/*',
    b: [1, 2],
  });
  expect(parseJsonText('["\\"//", "\\\\", "#"] // "')).toEqual(['"//', '\\', '#']);
  expect(parseJsonText('/* " \n */{"a" /**/ : # "\r\n 1}//')).toEqual({ a: 1 });
  for (const text of ['{"a": }', '{} /* no end', '{} /', '"no end // ', '"\\', '1 /*/ 2']) {
    expect(() => parseJsonText(text)).toThrow(SyntaxError);
  }
});
