import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { expect, test } from 'vitest';
import { events } from '../src/model/events/index.ts';
import { metrics } from '../src/model/index.ts';
import { declaredOptions } from '../src/model/options/index.ts';

// A declaration is a promise: what it says to have an effect must be used by some room.
const root = resolve(import.meta.dirname, '../src');
const DECLARATIONS = /^(model\/(events|options)\/|model\/differences\.ts|cli\/reference\/)/;

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
}

function textBelow(directory: string): string {
  return readdirSync(directory)
    .map((name) => {
      const path = join(directory, name);
      if (statSync(path).isDirectory()) return textBelow(path);
      const place = relative(root, path).split(sep).join('/');
      return DECLARATIONS.test(place) ? '' : withoutComments(readFileSync(path, 'utf8'));
    })
    .join('\n');
}

const rooms = textBelow(root);
const isUsed = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(rooms);

test('an event that is not planned is fired somewhere, and a planned one nowhere', () => {
  const fired = (name: string): boolean => rooms.includes(`'${name}'`);
  const silent = events.filter(({ name, status }) => status === 'now' && !fired(name));
  expect(silent.map(({ name }) => name)).toEqual([]);
  const early = events.filter(({ name, status }) => status === 'planned' && rooms.includes(`fire('${name}'`));
  expect(early.map(({ name }) => name)).toEqual([]);
});

test('an option that has an effect is read somewhere', () => {
  const unread = declaredOptions.flatMap(({ owner, fields }) =>
    Object.entries(fields)
      .filter(([name, { effect }]) => effect === 'now' && !isUsed(name))
      .map(([name]) => `${owner}.${name}`),
  );
  expect(unread).toEqual([]);
});

test('a metric that a room sets is declared', () => {
  const declared = new Set<string>(metrics.map(({ name }) => name));
  const used = [...rooms.matchAll(/\.series\(\s*'(\w+)'/g)].map((match) => match[1]!);
  expect(used.length).toBeGreaterThan(0);
  expect(used.filter((name) => !declared.has(name))).toEqual([]);
});
