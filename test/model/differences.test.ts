import { expect, test } from 'vitest';
import { describeApi } from '../../src/cli/api-description.ts';
import { commandNames } from '../../src/cli/index.ts';
import { differences } from '../../src/model/index.ts';
import { declaredOptions } from '../../src/model/options/index.ts';

const api = describeApi(commandNames());
const declared: Record<string, Set<string>> = {
  event: new Set(api.events.map(({ name }) => name)),
  function: new Set(api.functions.map(({ name }) => name)),
  method: new Set(api.methods.map(({ name }) => name)),
  option: new Set(api.options.map(({ owner, name }) => `${owner}.${name}`)),
  endpoint: new Set(api.endpoints.map(({ method, path }) => `${method} ${path}`)),
  command: new Set(api.commands.map(({ name }) => name)),
  metric: new Set(api.metrics.map(({ name }) => name)),
  log_field: new Set(api.log_fields.map(({ name }) => name)),
};

/** `name*` is for all that begin so. */
function isDeclared(kind: string, name: string): boolean {
  const names = declared[kind]!;
  if (!name.endsWith('*')) return names.has(name);
  return [...names].some((one) => one.startsWith(name.slice(0, -1)));
}

test('every row is there once and has a reason', () => {
  const keys = differences.map(({ kind, name }) => `${kind} ${name}`);
  expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
  for (const { name, reason } of differences) expect(reason, name).toMatch(/\.$/);
});

test('what a row says of Moonpost is declared', () => {
  const unknown = differences
    .filter(({ kind, status }) => kind !== 'behaviour' && status !== 'planned')
    .filter(({ kind, name }) => !name.split(', ').every((one) => isDeclared(kind, one)));
  expect(unknown).toEqual([]);
});

test('what a row calls planned is not there yet', () => {
  const there = differences
    .filter(({ kind, status }) => kind !== 'behaviour' && status === 'planned')
    .filter(({ kind, name }) => name.split(', ').some((one) => declared[kind]!.has(one)));
  expect(there).toEqual([]);
});

test('an option of Moonpost only has a row', () => {
  const rows = new Set(differences.filter(({ status }) => status === 'extension').map(({ name }) => name));
  const ours = declaredOptions.flatMap(({ owner, fields }) =>
    Object.entries(fields)
      .filter(([, option]) => option.extension)
      .map(([name]) => `${owner}.${name}`),
  );
  // A function that is ours has one row for all of its options.
  const hasRow = (name: string): boolean => rows.has(name) || rows.has(name.slice(0, name.lastIndexOf('.')));
  expect(ours.filter((name) => !hasRow(name))).toEqual([]);
});
