import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DataReader, type DataReaderOptions, normalizeLineEndings } from '../../src/protocol/smtp/index.ts';

const options = fc.record({
  framing: fc.constantFrom('dot' as const, 'chunk' as const),
  maxSize: fc.constantFrom(5, 20, 1000),
  maxLineLength: fc.constantFrom(3, 1000),
  lineEndings: fc.constantFrom('Deny' as const, 'Allow' as const, 'Fix' as const),
});
/** Texts in which ends of line, dots and NUL meet often. */
const wire = fc
  .array(fc.constantFrom('\r\n', '.', '\r', '\n', '\0', 'a', '\r\n.\r\n', 'bcdefghi', '\xff'), {
    maxLength: 40,
  })
  .map((pieces) => Buffer.from(pieces.join(''), 'latin1'));

function readWhole(octets: Buffer, cuts: number[], how: DataReaderOptions): unknown {
  const reader = new DataReader(how);
  const edges = [0, ...cuts.map((cut) => Math.min(cut, octets.length)).sort((a, b) => a - b), octets.length];
  let consumed = 0;
  for (let index = 1; index < edges.length && !reader.ended; index++) {
    const chunk = Buffer.from(octets.subarray(edges[index - 1], edges[index]));
    consumed += reader.feed(chunk);
  }
  return { consumed, ended: reader.ended, isTooBig: reader.isTooBig, result: reader.finish() };
}

/** The definition, slow and obvious: split at CRLF, stop at the line `.`, drop one leading dot. */
function readSlowly(octets: Buffer): { body: string; consumed: number } | undefined {
  const text = octets.toString('latin1');
  let body = '';
  for (let at = 0; ; ) {
    const end = text.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const line = text.slice(at, end);
    at = end + 2;
    if (line === '.') return { body, consumed: at };
    body += `${line.startsWith('.') ? line.slice(1) : line}\r\n`;
  }
}

test('tricky ends, cut in every two places', () => {
  const ends = [
    '\r\n.\r\n',
    '\r\n.\ra',
    '\r\n.\r\r\n',
    '\r\n..\r\n',
    '\r\n.a\r\n',
    '\r\n.\n',
    '\r.\r\n',
    '\n.\r\n',
    '.\r',
  ];
  for (const first of ends) {
    for (const second of ends) {
      const octets = Buffer.from(`${first}${second}\r\n.\r\n`);
      for (const lineEndings of ['Deny', 'Allow', 'Fix'] as const) {
        const how: DataReaderOptions = { framing: 'dot', maxSize: 1000, maxLineLength: 1000, lineEndings };
        const whole = readWhole(octets, [], how);
        for (let cut = 1; cut < octets.length; cut++) {
          for (let next = cut; next < octets.length; next++) {
            const split = readWhole(octets, [cut, next], how);
            if (!isDeepStrictEqual(split, whole))
              expect([octets.toString(), cut, next, split]).toEqual(whole);
          }
        }
      }
    }
  }
});

test('every split of the input reads as the whole', () => {
  fc.assert(
    fc.property(wire, fc.array(fc.nat(60), { maxLength: 12 }), options, (octets, cuts, how) => {
      expect(readWhole(octets, cuts, how)).toEqual(readWhole(octets, [], how));
    }),
    { numRuns: 2000 },
  );
});

test('the reader agrees with the definition', () => {
  fc.assert(
    fc.property(
      wire,
      fc.constantFrom('Deny' as const, 'Allow' as const, 'Fix' as const),
      (octets, lineEndings) => {
        const reader = new DataReader({ framing: 'dot', maxSize: 1e6, maxLineLength: 1e6, lineEndings });
        const consumed = reader.feed(octets);
        const expected = readSlowly(octets);
        expect(reader.ended).toBe(expected !== undefined);
        if (expected === undefined) return;
        expect(consumed).toBe(expected.consumed);
        const result = reader.finish();
        const content = Buffer.from(expected.body, 'latin1');
        const fixed = normalizeLineEndings(content);
        if (octets.subarray(0, consumed).includes(0)) expect(result.kind).toBe('nul');
        else if (lineEndings === 'Deny' && fixed !== content) expect(result.kind).toBe('bareLineEnding');
        else expect(result).toEqual({ kind: 'body', body: lineEndings === 'Fix' ? fixed : content });
      },
    ),
    { numRuns: 2000 },
  );
});
