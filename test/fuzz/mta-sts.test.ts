import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  allowsMx,
  MtaStsPolicyError,
  parseMtaStsPolicy,
  policyId,
} from '../../src/protocol/mta-sts/index.ts';

const line = fc.oneof(
  fc.constantFrom('version: STSv1', 'mode: enforce', 'mode: testing', 'max_age: 60', 'mx: *.a.example'),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.tuple(fc.constantFrom('mx', 'max_age', 'mode'), fc.string()).map(([key, value]) => `${key}: ${value}`),
);

test('any text is a policy or a MtaStsPolicyError, and asking it about any host works', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), fc.string(), (lines, host) => {
      try {
        const policy = parseMtaStsPolicy(lines.join('\n'));
        expect(['enforce', 'testing', 'none']).toContain(policy.mode);
        expect(typeof allowsMx(policy, host)).toBe('boolean');
      } catch (error) {
        expect(error).toBeInstanceOf(MtaStsPolicyError);
      }
    }),
    { numRuns: 2000 },
  );
});

test('any records have an id of letters and digits, or none', () => {
  const text = fc.oneof(
    fc.string(),
    fc.string().map((rest) => `v=STSv1; ${rest}`),
  );
  fc.assert(
    fc.property(fc.array(text, { maxLength: 3 }), (texts) => {
      expect(policyId(texts) ?? '1').toMatch(/^[a-z0-9]{1,32}$/i);
    }),
    { numRuns: 2000 },
  );
});

test('64 KiB of one kind of line take no time to speak of', () => {
  for (const text of ['mx: a.b\n', 'mx:', ':\n', 'a', ' ', '\n', '-.']) {
    const started = performance.now();
    expect(() => parseMtaStsPolicy(text.repeat(65_536 / text.length))).toThrow(MtaStsPolicyError);
    expect(performance.now() - started).toBeLessThan(2000);
  }
});
