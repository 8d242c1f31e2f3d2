import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Json } from '../../src/model/index.ts';
import { keptAsJson, keptFromJson } from '../../src/model/kept/index.ts';
import { escapePattern, PolicyPattern } from '../../src/model/patterns/index.ts';
import {
  formatToml,
  formatYaml,
  normalizeSmtpResponse,
  parseToml,
  parseYaml,
} from '../../src/model/texts/index.ts';
import { decodeCharset, encodeCharset } from '../../src/protocol/charset/index.ts';
import { type Base, decodeBinary, encodeBinary } from '../../src/protocol/digest/index.ts';
import { parseUuid, uuidV4 } from '../../src/protocol/uuid/index.ts';

const bytes = fc.uint8Array({ maxLength: 70 });
const bases: Base[] = ['base32', 'base32hex', 'base64', 'base64url'];

test('bytes as text come back; any text gives bytes that come back, or an Error', () => {
  fc.assert(
    fc.property(bytes, fc.constantFrom(...bases), fc.boolean(), (given, base, padded) => {
      const text = encodeBinary(base, given, padded);
      expect(decodeBinary(base, text, padded).equals(given)).toBe(true);
      if (base.startsWith('base64') && padded === (base === 'base64')) {
        expect(text).toBe(Buffer.from(given).toString(base as BufferEncoding));
      }
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.constantFrom(...bases), (text, base) => {
      let decoded: Buffer;
      try {
        decoded = decodeBinary(base, text, true);
      } catch (error) {
        expect((error as Error).message).toContain(base);
        return;
      }
      expect(encodeBinary(base, decoded, false)).toBe(text.replace(/=+$/, ''));
    }),
  );
});

test('character sets that have all of a text give it back', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('windows-1252', 'iso-8859-2', 'koi8-r', 'utf-16be', 'utf-8'),
      bytes,
      (charset, given) => {
        const text = decodeCharset(charset, given).replaceAll('\ufffd', '').toWellFormed();
        expect(decodeCharset(charset, encodeCharset(charset, text, true))).toBe(text);
      },
    ),
  );
});

const word = fc.string({ unit: fc.constantFrom('a', 'b', '-', 'ö', '😀', '.') });

test('an escaped text matches itself; pieces and matches make up the text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(new PolicyPattern(`^(?:${escapePattern(text)})$`).isMatch(text)).toBe(
        !text.includes('\n') || true,
      );
    }),
  );
  const patterns = ['a+', 'a*', '[ab]b?', '\\w', '\\.|-', '(a)(b)?', '\\s*', ''].map(
    (source) => new PolicyPattern(source),
  );
  fc.assert(
    fc.property(word, fc.constantFrom(...patterns), (text, pattern) => {
      const pieces = pattern.split(text);
      const found = pattern.findAll(text);
      expect(pieces.length).toBe(found.length + 1);
      expect(pieces.map((piece, i) => piece + (found[i] ?? '')).join('')).toBe(text);
      expect(pattern.replace(text, '$0', 0)).toBe(text);
      expect(pattern.replace(text, '$$', 0)).toBe(pieces.join('$'));
      expect(pattern.isMatch(text)).toBe(found.length > 0);
    }),
  );
});

test('any pattern compiles or says its name', () => {
  const unit = fc.constantFrom(...'ab()[]{}?*+|^$\\.-:<>=!dwsWSDbPp1,&~'.split(''));
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 12 }), (source) => {
      try {
        new PolicyPattern(source).captures('ab-1 wS');
      } catch (error) {
        expect((error as Error).message).toContain(`'${source}'`);
      }
    }),
    { numRuns: 500 },
  );
});

const scalar = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.boolean(),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }).filter((n) => !Object.is(n, -0)),
);
const { table } = fc.letrec((tie) => ({
  table: fc.dictionary(fc.string({ unit: 'grapheme', minLength: 1 }), tie('value'), {
    maxKeys: 4,
    noNullPrototype: false,
  }),
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    tie('table'),
    fc.array(scalar, { maxLength: 3 }),
    fc.array(tie('table'), { maxLength: 2 }),
  ),
}));

/** Compares without regard to prototypes and to the order of keys. */
const same = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;

test('tables come back from TOML, YAML and what is kept', () => {
  fc.assert(
    fc.property(table, fc.boolean(), fc.boolean(), (given, pretty, compact) => {
      const value = given as Json;
      expect(same(parseToml(formatToml(value, { pretty, compact })))).toEqual(same(value));
    }),
  );
  fc.assert(
    fc.property(table, (given) => {
      expect(same(parseYaml(formatYaml(given as Json)))).toEqual(same(given));
    }),
  );
});

test('kept values come back as JSON', () => {
  fc.assert(
    fc.property(fc.array(scalar, { minLength: 1 }), (list) => {
      expect(same(keptAsJson(keptFromJson({ list: list as Json[] })))).toEqual(same({ list }));
    }),
  );
});

test('UUIDs in all forms; replies normalize once', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (random) => {
      const id = uuidV4(random);
      for (const text of [id.simple, id.hyphenated, `{${id.hyphenated}}`, `urn:uuid:${id.hyphenated}`]) {
        expect(parseUuid(text)?.simple).toBe(id.simple);
      }
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'aF09 .:@<-=[]Z'.split('')) }), (text) => {
      const once = normalizeSmtpResponse(text);
      expect(normalizeSmtpResponse(once)).toBe(once);
    }),
  );
});
