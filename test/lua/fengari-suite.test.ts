import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { Script } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadVm } from '../../src/lua/vm.ts';
import { languageChanges } from './language-changes.ts';

/**
 * fengari's own suite, run against the patched VM. A case whose outcome one of our language patches changes on
 * purpose is listed in language-changes.ts; it must fail here, so that the list stays exact.
 */
const nodeRequire = createRequire(import.meta.url);
const root = dirname(nodeRequire.resolve('fengari/package.json'));
const vm = loadVm({ importFrom: 'node' });
const files = [...suiteFiles('test'), ...suiteFiles('test/test-suite')];
const changed = new Map(languageChanges.flatMap(({ cases, reason }) => cases.map((name) => [name, reason])));
const seen = new Set<string>();

function suiteFiles(folder: string): string[] {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => join(root, folder, name));
}

function suiteTest(file: string) {
  const run = (name: string, body: () => void) => {
    let id = `${file}: ${name}`;
    while (seen.has(id)) id += "'"; // some names occur more than once in a file
    seen.add(id);
    const reason = changed.get(id);
    // One case fills five tables of a million items.
    if (reason === undefined) test(name, body, 120_000);
    else test(`${name} (changed: ${reason})`, () => expect(body).toThrow());
  };
  // What fengari itself leaves out (22 cases it marks itself as skipped) is not run, as in its own runner.
  return Object.assign(run, { skip: () => undefined });
}

/** A suite file sees the patched modules wherever it requires '../src/...'. */
function requireFrom(file: string): (name: string) => unknown {
  return (name) => {
    if (!name.startsWith('.')) return nodeRequire(name);
    const path = resolve(dirname(file), name);
    if (dirname(path) === join(root, 'src'))
      return vm.require(`./${path.slice(join(root, 'src').length + 1)}`);
    const module = { exports: {} };
    runFile(path, module, () => undefined);
    return module.exports;
  };
}

function runFile(
  file: string,
  module: { exports: unknown },
  suite: (name: string, body: () => void) => void,
): void {
  const text = readFileSync(file, 'utf8');
  const script = new Script(
    `(function (module, exports, require, test, it, describe, expect, __dirname, __filename) {${text}\n})`,
    { filename: file },
  );
  const run = script.runInThisContext();
  run(module, module.exports, requireFrom(file), suite, suite, describe, expect, dirname(file), file);
}

// The suite names its files relative to the package.
const home = process.cwd();
beforeAll(() => process.chdir(root));
afterAll(() => process.chdir(home));

for (const file of files) {
  const name = file.slice(join(root, 'test').length + 1);
  describe(name, () => runFile(file, { exports: {} }, suiteTest(name)));
}

test('the list of changed cases names cases that exist', () => {
  expect([...changed.keys()].filter((id) => !seen.has(id))).toEqual([]);
  expect(seen.size).toBe(589);
});
