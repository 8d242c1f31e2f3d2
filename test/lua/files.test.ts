import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { sharedFile } from '../../src/lua/index.ts';
import { evaluate, folder, policy } from './policy-kit.ts';

const helpers = {
  'helpers/shaping.lua': `return { from = 'ours' }`,
  'helpers/queue.lua': `return { from = 'ours' }`,
  'helpers/shaping.toml': `# ours`,
  'policy-extras/queue.lua': `return { from = 'operator' }`,
};

describe('require', () => {
  test('finds policy-extras among our helpers, after the operator', async () => {
    const { engine } = await policy(
      `kumo.on('init', function() return require('policy-extras.shaping').from, require('policy-extras.queue').from end)`,
      { files: helpers },
    );
    expect(engine.fire('init', [])).toEqual({ kind: 'values', values: ['ours', 'operator'] });
  });

  test('does not find other names among our helpers', async () => {
    const result = await evaluate(`return pcall(require, 'shaping')`, [], { files: helpers });
    expect(result).toMatchObject({ values: [false, expect.stringMatching(/module 'shaping' not found/)] });
  });

  test('looks in the places KumoMTA looks in, then beside the policy', async () => {
    const { engine, directory } = await policy(`kumo.on('init', function() return package.path end)`);
    const { values } = engine.fire('init', []) as { values: string[] };
    expect(values[0]).toMatch(
      /^\/opt\/kumomta\/share\/\?\.lua;\/opt\/kumomta\/share\/\?\/init\.lua;\/opt\/kumomta\/etc\/policy\/\?\.lua;/,
    );
    expect(values[0]).toContain(`${directory}/?.lua`);
  });

  test('follows a package.path that the policy set, and runs a module once', async () => {
    const { engine, directory } = await policy(
      `package.path = '${'DIR'}/lib/?.lua'
      kumo.on('init', function(dir) package.path = dir .. '/lib/?.lua;' .. package.path
        return require('a.b').n, require('a.b').n, package.searchpath('a.b', package.path) end)`,
      { files: { 'lib/a/b.lua': `count = (count or 0) + 1 return { n = count }` } },
    );
    expect(engine.fire('init', [directory])).toEqual({
      kind: 'values',
      values: [1, 1, `${directory}/lib/a/b.lua`],
    });
  });
});

test('files that do not exist under /opt/kumomta/share fall back to ours of the same name', () => {
  const directory = folder(helpers);
  const ours = `${directory}/helpers`;
  expect(sharedFile('/opt/kumomta/share/policy-extras/shaping.toml', ours)).toBe(`${ours}/shaping.toml`);
  expect(sharedFile('/opt/kumomta/share/policy-extras/absent.toml', ours)).toBe(
    '/opt/kumomta/share/policy-extras/absent.toml',
  );
  expect(sharedFile('/opt/kumomta/share/../../policy-extras/queue.lua', ours)).toBe(
    '/opt/kumomta/share/../../policy-extras/queue.lua',
  );
  expect(sharedFile('/etc/hosts', ours)).toBe('/etc/hosts');
});

test('dofile and loadfile take such paths too, and are recorded', async () => {
  const { engine, directory } = await policy(
    `kumo.on('init', function()
       return dofile('/opt/kumomta/share/policy-extras/shaping.lua').from, loadfile('/nowhere.lua') end)`,
    { files: helpers },
  );
  expect(engine.fire('init', [])).toEqual({
    kind: 'values',
    values: ['ours', undefined, 'cannot open /nowhere.lua'],
  });
  expect(engine.filesRead).toContain(`${directory}/helpers/shaping.lua`);
});

test('files that a script opens are recorded, but not those that it writes', async () => {
  const { engine, directory } = await policy(
    `kumo.on('init', function(dir)
       io.open(dir .. '/read.txt'):close()
       for _ in io.lines('/opt/kumomta/share/policy-extras/shaping.toml') do end
       io.open(dir .. '/both.txt'):close()
       io.open(dir .. '/both.txt', 'a'):close()
       io.open(dir .. '/both.txt'):close()
       io.open(dir .. '/absent.txt')
       io.open('/dev/null'):close() end)`,
    { files: { ...helpers, 'read.txt': '', 'both.txt': '' } },
  );
  await engine.fire('init', [directory]);
  expect(engine.filesRead).toEqual([
    `${directory}/policy.lua`,
    `${directory}/read.txt`,
    `${directory}/helpers/shaping.toml`,
  ]);
});

test('pipes are refused, since they would stop the thread', async () => {
  const directory = folder({});
  execFileSync('mkfifo', [`${directory}/pipe`]);
  const result = await evaluate(`return io.open((...) .. '/pipe')`, [directory]);
  expect(result).toEqual({
    kind: 'values',
    values: [undefined, `${directory}/pipe: not a regular file`, 22],
  });
});

test('a first line with # and a byte order mark are passed over', async () => {
  const files = {
    'a.lua': `#!/usr/bin/lua\nreturn debug.getinfo(1).currentline`,
    'b.lua': `\uFEFFreturn 'b'`,
  };
  const { engine } = await policy(`kumo.on('init', function() return require('a'), (require('b')) end)`, {
    files,
  });
  expect(engine.fire('init', [])).toEqual({ kind: 'values', values: [2, 'b'] });
});

test('load: text, pieces, environment, errors', async () => {
  const source = `
    local pieces = {'return ', '1 + ', 'x'}
    local i = 0
    local f = load(function() i = i + 1 return pieces[i] end, 'pieces', 't', {x = 2})
    return f(), load('return ...')(3), load('return x', 'c', 't', {x = 4})(), load('= 1', '=mine'),
      select(2, load('return 1', 'c', 'b'))`;
  expect(await evaluate(source)).toEqual({
    kind: 'values',
    values: [3, 3, 4, undefined, expect.stringMatching(/text chunk/)],
  });
});
