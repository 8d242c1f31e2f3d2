import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Canonicalization,
  canonicalHeader,
  MOST_SIGNED,
  SentForm,
  selectHeaders,
} from '../../../src/protocol/dkim/index.ts';
import { headersOf } from '../../../src/protocol/mime/index.ts';

function canonical(how: Canonicalization, message: string): string[] {
  const bytes = Buffer.from(message, 'latin1');
  return headersOf(bytes).map((field) => canonicalHeader(how, bytes, field).toString('latin1'));
}

describe('RFC 6376 §3.4.5', () => {
  const message = 'A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\n';

  test('relaxed', () => expect(canonical('relaxed', message)).toEqual(['a:X\r\n', 'b:Y Z\r\n']));
  test('simple', () => expect(canonical('simple', message)).toEqual(['A: X\r\n', 'B : Y\t\r\n\tZ  \r\n']));
});

test.each([
  ['Subject:\r\n', 'subject:\r\n'],
  ['Subject:   \r\n \t\r\n', 'subject:\r\n'],
  ['SUBJECT \t:\t a', 'subject:a\r\n'],
  ['X:\r\n a\r\n\tb:c \r\n', 'x:a b:c\r\n'],
  ['X: \xa0 \xe9\x0b\r\n', 'x:\xa0 \xe9\x0b\r\n'],
])('relaxed: %j', (header, expected) => expect(canonical('relaxed', header)).toEqual([expected]));

test('the last header may lack its line ending', () => {
  expect(canonical('simple', 'From: a@b')).toEqual(['From: a@b\r\n']);
});

const value = fc
  .array(fc.constantFrom(' ', '\t', '\r\n ', '\r\n\t', 'a', ':', ';', '\xa0', '\xe4', '"'), { maxLength: 30 })
  .map((pieces) => pieces.join(''));

test('any header comes out as regular expressions would have it', () => {
  fc.assert(
    fc.property(fc.constantFrom('Subject', 'X-y', 'DATE '), value, (name, text) => {
      const expected = `${name.trimEnd().toLowerCase()}:${text
        .replace(/\r\n/g, '')
        .replace(/[ \t]+/g, ' ')
        .replace(/^ | $/g, '')}\r\n`;
      expect(canonical('relaxed', `${name}:${text}\r\n`)).toEqual([expected]);
    }),
    { numRuns: 1000 },
  );
});

describe('which headers are signed', () => {
  const message = Buffer.from('To: 1\r\nFrom: a\r\nto: 2\r\nSubject: s\r\nTO: 3\r\n\r\nTo: body\r\n');
  const select = (wanted: string[], overSign = false) => {
    const { names, fields } = selectHeaders(message, wanted, overSign);
    return [names.join(':'), fields.map(({ start, end }) => message.toString('latin1', start, end).trim())];
  };

  test('each name takes the lowest that is left; one that is not there is named all the same', () => {
    expect(select(['From', 'To', 'To', 'Cc'])).toEqual(['From:To:To:Cc', ['From: a', 'TO: 3', 'to: 2']]);
    expect(select(['To', 'To', 'To', 'To', 'From'])[1]).toEqual(['TO: 3', 'to: 2', 'To: 1', 'From: a']);
  });

  test('every From is signed, however often the list has it', () => {
    const two = Buffer.from('From: a\r\nTo: b\r\nfrom: c\r\n\r\n');
    expect(selectHeaders(two, ['from', 'To'], false).names.join(':')).toBe('from:To:From');
    expect(selectHeaders(two, ['From', 'From', 'From'], false).names.join(':')).toBe('From:From:From');
    expect(selectHeaders(two, ['From'], false).fields.map(({ start }) => start)).toEqual([16, 0]);
  });

  test('over-signed, each name stands once more than there are headers', () => {
    expect(select(['From', 'to', 'Cc', 'FROM'], true)).toEqual([
      'From:From:to:to:to:to:Cc',
      ['From: a', 'TO: 3', 'to: 2', 'To: 1'],
    ]);
  });

  test('no From, and too many headers', () => {
    expect(() => selectHeaders(Buffer.from('To: a\r\n\r\nFrom: b'), ['From'], false)).toThrow(
      'the message has no From header',
    );
    const many = Buffer.from(`From: a\r\n${'X: y\r\n'.repeat(MOST_SIGNED)}\r\n`);
    expect(() => selectHeaders(many, ['From', 'X'], true)).toThrow('more than 1000 headers to sign');
    expect(selectHeaders(many, ['From', 'X'], false).fields).toHaveLength(2);
  });
});

describe('what is signed is what is sent', () => {
  test('bare line endings are sent as CRLF', () => {
    const { bytes, bodyStart } = SentForm.of(Buffer.from('From: a\nTo: b\rCc: c\r\n\nbody\r'));
    expect(bytes.toString()).toBe('From: a\r\nTo: b\r\nCc: c\r\n\r\nbody\r\n');
    expect(bytes.toString('latin1', bodyStart)).toBe('body\r\n');
  });

  test('a message without an empty line has no body', () => {
    const form = SentForm.of(Buffer.from('From: a\r\n'));
    expect(form.bodyStart).toBe(9);
    // RFC 6376 §3.4.3 and §3.4.4 give these two hashes of nothing.
    expect(form.bodyHash('simple')).toBe('frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=');
    expect(form.bodyHash('relaxed')).toBe('47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');
  });

  test('a long body has the same hash in steps', () => {
    const text = Buffer.from(`From: a\r\n\r\n${'some  words \r\n'.repeat(250_000)}\r\n\r\n`);
    for (const how of ['simple', 'relaxed'] as const) {
      const form = SentForm.of(text);
      expect(form.takesLong(how)).toBe(true);
      const steps = [...form.hashing(how)].length;
      expect(steps).toBeGreaterThan(1);
      expect(form.takesLong(how)).toBe(false);
      expect(form.bodyHash(how)).toBe(SentForm.of(text).bodyHash(how));
    }
    expect(SentForm.of(Buffer.from('From: a\r\n\r\nshort')).takesLong('relaxed')).toBe(false);
  });

  test('one more header on top leaves body and hashes', () => {
    for (const text of ['From: a\r\n\r\nbody\r\n', 'From: a\n\nbody\n']) {
      const first = SentForm.of(Buffer.from(text));
      const line = Buffer.from('X: y\r\n');
      const message = Buffer.concat([line, Buffer.from(text)]);
      const second = first.prepended(line, message);
      expect(second.bytes).toEqual(SentForm.of(message).bytes);
      expect(second.bodyStart).toBe(SentForm.of(message).bodyStart);
      expect(second.bodyHash('simple')).toBe(SentForm.of(message).bodyHash('simple'));
    }
  });
});
