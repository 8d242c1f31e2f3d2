import fc from 'fast-check';
import { expect, test } from 'vitest';
import { laterOptions, PolicyValueError, parseOptions } from '../../src/model/define/index.ts';
import { declaredOptions } from '../../src/model/options/index.ts';

/** What Lua can give, with names and texts that options know likely enough to get deep. */
const text = fc.constantFrom(
  '',
  'a',
  '10.0.0.0/8',
  '127.0.0.1:25',
  '5m',
  '10/s',
  '10%',
  'Deny',
  'Ttl',
  'local:5',
  '\0',
);
const names = declaredOptions.flatMap(({ fields }) => Object.keys(fields));
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    text,
    fc.constantFrom(undefined, null, true, false, 0, -1, 1.5, Number.NaN, 2 ** 53, Buffer.from([255])),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...names, '10.0.0.0/8', '__proto__', 'constructor'), tie('value'), {
      maxKeys: 4,
    }),
  ),
}));

test.each(declaredOptions.map((declaration) => [declaration.owner, declaration] as const))(
  '%s: whatever a policy gives is parsed or refused with a reason',
  (_, declaration) => {
    const one = fc
      .constantFrom(...Object.keys(declaration.fields))
      .chain((name) => fc.record({ [name]: value }));
    fc.assert(
      fc.property(fc.oneof(one, value), (given) => {
        laterOptions(declaration, given);
        try {
          expect(parseOptions(declaration, given)).toBeTypeOf('object');
        } catch (error) {
          expect(error).toBeInstanceOf(PolicyValueError);
          expect((error as Error).message).toContain(`${declaration.owner}: deserialize error: `);
        }
      }),
      { numRuns: 60 },
    );
  },
);
