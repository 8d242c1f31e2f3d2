import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { generatedFiles } from '../../../src/cli/reference/index.ts';
import { chosenEvents, events } from '../../../src/model/events/index.ts';
import { validatePolicy } from '../../../src/policy-start.ts';

const files = generatedFiles();
const stubs = [...files].filter(([path]) => path.startsWith('policy/types/')).map(([, text]) => text);
const page = files.get('policy/reference/events.md')!;
const all = [...events, ...chosenEvents];

describe('the reference of events', () => {
  test.each(all.map(({ name }) => name))(
    '%s says when, how often, what is kept, what a failure answers',
    (name) => {
      const [, section = ''] = page.split(`\n## ${name}\n`);
      const text = section.split('\n## ')[0]!;
      for (const what of ['Fires', 'How often', 'What is kept', 'On failure']) {
        const [, said = ''] = new RegExp(`^- ${what}: (.*)$`, 'm').exec(text) ?? [];
        expect(said, what).toMatch(/\w.*\.$/);
      }
      // The name of the event alone says nothing.
      expect(text).toMatch(/^[A-Z].{20,}/m);
    },
  );

  test('is in one place for each event', () => {
    const names = all.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(page.match(/^## /gm)).toHaveLength(names.length);
  });

  test.each(all.filter(({ example }) => example !== undefined).map((event) => [event.name, event.example!]))(
    'the example of %s is a policy that is found good',
    async (_name, example) => {
      const directory = mkdtempSync(join(tmpdir(), 'moonpost-example-'));
      onTestFinished(() => rmSync(directory, { recursive: true }));
      const file = join(directory, 'init.lua');
      writeFileSync(file, example);
      expect(await validatePolicy(file)).toBe(0);
    },
  );
});

describe('editor types of events', () => {
  const kumo = files.get('policy/types/kumo.d.lua')!;
  const handlers = files.get('policy/types/handlers.d.lua')!;
  const known = new Set([
    ...['any', 'nil', 'string', 'integer', 'number', 'boolean', 'table', 'lightuserdata', 'fun'],
    ...stubs.flatMap((text) =>
      [...text.matchAll(/^---@(?:class|alias) ([\w.]+)/gm)].map((match) => match[1]!),
    ),
  ]);
  const unknownIn = (type: string): string[] => {
    // What stands before a colon in a table type is the name of a field.
    const names =
      type
        .replaceAll(/'[^']*'/g, '')
        .replaceAll(/\w+\??:/g, '')
        .match(/[A-Za-z_][\w.]*/g) ?? [];
    return names.filter((name) => !known.has(name));
  };

  test.each(events.map((event) => [event.name, event] as const))(
    'kumo.on knows the handler of %s',
    (name, event) => {
      const [, params, returns = ''] =
        new RegExp(`^---@overload fun\\(event: '${name}', handler: fun\\((.*?)\\)(?:: (.*))?\\)$`, 'm').exec(
          kumo,
        ) ?? [];
      expect(params).toBe(event.args.map((arg) => `${arg.name}: ${arg.luaType}`).join(', '));
      expect(returns).toBe(event.returns);
    },
  );

  test.each(chosenEvents.map(({ name }) => name))('the handler of %s has a type', (name) => {
    expect(handlers).toMatch(new RegExp(`^---@alias kumo\\.Handler\\.${name} fun\\(`, 'm'));
  });

  test('every type that they name is declared', () => {
    const unknown = all.flatMap(({ name, args, returns }) =>
      [...args.map(({ luaType }) => luaType), returns].flatMap(unknownIn).map((type) => `${name}: ${type}`),
    );
    expect(unknown).toEqual([]);
  });

  test('the fields of log records have types of Lua', () => {
    const fields = [...files.get('policy/types/log_record.d.lua')!.matchAll(/^---@field (\S+) (\S+) /gm)];
    expect(fields.map(([, name]) => name!.replace('?', ''))).toContain('response');
    expect(fields.flatMap(([, , type]) => unknownIn(type!.replaceAll('[]', '')))).toEqual([]);
  });
});
