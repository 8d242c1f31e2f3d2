import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';

// Documents rot where nothing compiles them: what they point at must be there.
const root = resolve(import.meta.dirname, '..');
const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'examples/README.md',
  'helpers/README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  ...readdirSync(join(root, 'policy/reference')).map((name) => `policy/reference/${name}`),
];

const textOf = (document: string): string => readFileSync(join(root, document), 'utf8');

/** The anchor that a heading of Markdown gets. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');

test.each(DOCUMENTS)('the links of %s lead somewhere', (document) => {
  const links = [...textOf(document).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);
  const broken = links
    .filter((link) => !/^https?:/.test(link))
    .filter((link) => {
      const [path, anchor] = link.split('#');
      const target = path === '' ? document : join(dirname(document), path!);
      if (!existsSync(join(root, target))) return true;
      if (anchor === undefined) return false;
      const headings = [...textOf(target).matchAll(/^#+ (.+)$/gm)].map((match) => anchorOf(match[1]!));
      return !headings.includes(anchor);
    });
  expect(broken).toEqual([]);
});

test('the files that CONTRIBUTING names exist', () => {
  const named = [...textOf('CONTRIBUTING.md').matchAll(/`((?:src|test|policy|examples)\/[\w./-]+)`/g)].map(
    (match) => match[1]!,
  );
  expect(named.length).toBeGreaterThan(20);
  // Capitals stand for a name to be chosen.
  expect(named.filter((path) => !/[A-Z]/.test(path) && !existsSync(join(root, path)))).toEqual([]);
});

test('the npm scripts that the documents name exist', () => {
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
  for (const document of ['README.md', 'CONTRIBUTING.md']) {
    for (const [, name] of textOf(document).matchAll(/npm run ([\w:]+)/g)) {
      expect(Object.keys(scripts), document).toContain(name);
    }
  }
});
