import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { shellCommands } from './kit/console-blocks.ts';

// What the documents tell people to type: the commands exist, and so do their options.
const root = resolve(import.meta.dirname, '..');
const DOCUMENTS = [
  'README.md',
  ...readdirSync(resolve(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** The words that can follow each command, by the script that completes them in a shell. */
function knownWords(): Map<string, Set<string>> {
  const launcher = resolve(root, 'bin/moonpost.js');
  const script = execFileSync(process.execPath, [launcher, 'completion', 'bash'], { encoding: 'utf8' });
  const top = /local word path='' words='([^']*)'/.exec(script)![1]!;
  const below = [...script.matchAll(/^ {4}'([^']+)'\) words='([^']*)'/gm)];
  const known = new Map([['', new Set(top.split(' '))]]);
  for (const [, path, words] of below) known.set(path!, new Set(words!.split(' ')));
  return known;
}

const known = knownWords();

/** What is wrong with the words after `moonpost`. */
function problemsOf(words: readonly string[]): string[] {
  const problems: string[] = [];
  let path = '';
  for (const word of words) {
    const next = `${path} ${word}`.trim();
    if (word.startsWith('-')) {
      if (!known.get(path)!.has(word.split('=')[0]!)) problems.push(`${path} has no option ${word}`);
    } else if (known.get(path)!.has(word) && known.has(next)) path = next;
    else if (path === '' && /^[a-z]/.test(word) && !words[0]!.startsWith('-')) {
      return [`no command ${word}`];
    }
  }
  return problems;
}

test.each(DOCUMENTS)('the commands of %s and their options exist', (document) => {
  const page = readFileSync(resolve(root, document), 'utf8');
  const commands = shellCommands(page);
  const inline = [...page.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/`(moonpost [^`]+)`/g)].map(
    ([, text]) => ({
      text: text!,
    }),
  );
  const wrong = [...commands, ...inline].flatMap(({ text }) =>
    [...text.matchAll(/(?:^|[|;&] *|sudo |exec (?:\w+ )?)moonpost((?: (?:'[^']*'|[^|;&'>]+))*)/g)].flatMap(
      ([, rest]) =>
        problemsOf((rest!.match(/'[^']*'|\S+/g) ?? []).map((word) => word.replace(/^'.*'$/, 'TEXT'))).map(
          (problem) => `${text}: ${problem}`,
        ),
    ),
  );
  expect(wrong).toEqual([]);
});

test('a wrong command and a wrong option would be found', () => {
  const operations = readFileSync(resolve(root, 'docs/operations.md'), 'utf8');
  expect(shellCommands(operations).length).toBeGreaterThan(30);
  expect(problemsOf(['suspent', '--domain', 'x'])).toEqual(['no command suspent']);
  expect(problemsOf(['suspend', '--domian', 'x'])).toEqual(['suspend has no option --domian']);
  expect(problemsOf(['policy', 'status', '--json'])).toEqual([]);
});
