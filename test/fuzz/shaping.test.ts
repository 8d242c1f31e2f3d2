import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import type { Json } from '../../src/model/index.ts';
import { formatFinding, loadShaping, ShapingFile } from '../../src/model/shaping/index.ts';
import { findJsonMistake } from '../../src/model/shaping/json-syntax.ts';
import { formatToml } from '../../src/model/texts/index.ts';

// The machine may be busy.
vi.setConfig({ testTimeout: 120_000 });

const world = {
  resolveMx: () => Promise.reject(new Error('no DNS here')),
  now: () => 0,
  pause: () => Promise.resolve(),
};

/** Words that mean something in shaping files, among those that do not. */
const word = fc.oneof(
  fc.constantFrom(
    'default',
    'provider',
    'sources',
    'automation',
    'match',
    'mx_rollup',
    'replace_base',
    'regex',
  ),
  fc.constantFrom(
    'action',
    'duration',
    'trigger',
    'Threshold',
    'SetConfig',
    'name',
    'value',
    'connection_limit',
  ),
  fc.constantFrom(
    'additional_connection_limits',
    'max_message_rate',
    'MXSuffix',
    'foo.com',
    'foo',
    '__proto__',
    '',
  ),
  fc.string(),
);
const scalar = fc.oneof(
  fc.constantFrom<Json>('Suspend', '10/s', '1h', '(', 'x.com', true, false, 0, 5, -1, 1.5),
  word,
);
const { block } = fc.letrec<{ block: Json }>((tie) => ({
  block: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    scalar,
    fc.array(tie('block'), { maxLength: 3 }),
    fc.dictionary(word, tie('block'), { maxKeys: 5 }),
  ),
}));
const file = fc.dictionary(word, block, { maxKeys: 5 });

test('whatever files say, loading ends, with findings that have a place in the text', async () => {
  await fc.assert(
    fc.asyncProperty(file, file, fc.boolean(), async (first, second, asToml) => {
      const texts = [asToml ? formatToml(first as Json) : JSON.stringify(first), JSON.stringify(second)];
      const inputs = texts.map((text, index) => ({
        file: new ShapingFile(index === 0 && asToml ? 'a.toml' : `${index}.json`, text),
      }));
      const { shaping, findings } = await loadShaping(inputs, {}, world);
      const linesOf = new Map(
        inputs.map(({ file: { name } }, index) => [name, texts[index]!.split('\n').length]),
      );
      for (const finding of findings) {
        expect(finding.line).toBeGreaterThanOrEqual(1);
        expect(finding.line).toBeLessThanOrEqual(linesOf.get(finding.file)!);
        expect(finding.column).toBeGreaterThanOrEqual(1);
        expect(formatFinding(finding)).toContain(finding.rule);
      }
      expect(typeof (await shaping.pathParameters('foo.com', 'ip', 'x'))).toBe('object');
      expect(await shaping.explain('foo.com', 'ip', 'x')).toBeInstanceOf(Array);
      expect(shaping.hash()).toMatch(/^[0-9a-f]{64}$/);
    }),
    { numRuns: 150 },
  );
});

test('any text is a file', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '=', '[', ']', '"', '\n', '.', '{', '}', '\u0000', ' ', 'é') }),
      fc.constantFrom('a.toml', 'a.json', 'a'),
      (text, name) => {
        const { problem, table } = new ShapingFile(name, text);
        if (problem === undefined) return;
        expect(table).toEqual({});
        expect(problem.line).toBeLessThanOrEqual(text.split('\n').length);
        expect(problem.picture).toContain('^');
      },
    ),
  );
});

test('a text has a mistake exactly when JSON.parse refuses it', () => {
  const jsonish = fc.oneof(
    fc.json(),
    fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom('', ',', '}', '"', '\\', ' ', '1', 'e'))
      .map(([text, at, extra]) => {
        const cut = at % (text.length + 1);
        return text.slice(0, cut) + extra + text.slice(cut + (at % 2));
      }),
  );
  fc.assert(
    fc.property(jsonish, (text) => {
      let parses = true;
      try {
        JSON.parse(text);
      } catch {
        parses = false;
      }
      expect(findJsonMistake(text) === undefined).toBe(parses);
    }),
    { numRuns: 500 },
  );
});
