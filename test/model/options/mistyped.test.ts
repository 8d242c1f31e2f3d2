import { expect, test } from 'vitest';
import { parseOptions } from '../../../src/model/define/index.ts';
import { declaredOptions } from '../../../src/model/options/index.ts';

/** The name with its second and third letter swapped, or a letter too many where they are the same. */
function mistyped(name: string): string {
  const [first, second, third, ...rest] = name;
  return second === third || third === undefined ? `${name}x` : [first, third, second, ...rest].join('');
}

test('enable_tsl', () => {
  const declaration = declaredOptions.find(({ owner }) => owner === 'make_egress_path')!;
  expect(() => parseOptions(declaration, { enable_tsl: 'Disabled' })).toThrow(
    'unknown field `enable_tsl`, did you mean `enable_tls`?',
  );
});

test.each(declaredOptions.map((declaration) => [declaration.owner, declaration] as const))(
  'every option of %s is named to who mistypes it',
  (_owner, declaration) => {
    const names = Object.keys(declaration.fields);
    expect(names).not.toEqual([]);
    const unhelpful = names.filter((name) => {
      try {
        parseOptions(declaration, { [mistyped(name)]: 1 });
        return true;
      } catch (error) {
        return !(error as Error).message.includes(
          `unknown field \`${mistyped(name)}\`, did you mean \`${name}\`?`,
        );
      }
    });
    expect(unhelpful).toEqual([]);
  },
);
