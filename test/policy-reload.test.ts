import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { InitDeclaration } from '../src/model/index.ts';
import { type Candidate, PolicyReload } from '../src/policy-reload.ts';
import { FakeClock, settle } from './kit/fake-clock.ts';

const SPOOL: InitDeclaration = { kind: 'define_spool', options: { name: 'data' }, where: 'init.lua:3' };
const LISTENER: InitDeclaration = {
  kind: 'start_esmtp_listener',
  options: { listen: { address: '127.0.0.1', port: 2525 }, max_connections: 10 },
  where: 'init.lua:4',
};

let folder: string;
let clock: FakeClock;
let said: string[];
let onDisk: Candidate | Error;
let prepare: (generation: number) => Promise<void>;
let shown: number[];
let reload: PolicyReload;

function candidate(declarations: InitDeclaration[], events = ['init', 'smtp_server_ehlo']): Candidate {
  return { declarations, texts: new Map(), events: new Set(events) };
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'moonpost-reload-'));
  writeFileSync(join(folder, 'init.lua'), '');
  clock = new FakeClock();
  said = [];
  shown = [];
  onDisk = candidate([SPOOL, LISTENER]);
  prepare = () => Promise.resolve();
  const tell = (level: string) => (_target: string, text: string) => void said.push(`${level} ${text}`);
  reload = new PolicyReload([SPOOL, LISTENER], {
    file: join(folder, 'init.lua'),
    helpersDir: folder,
    clock,
    diagnostics: { error: tell('error'), warn: tell('warn'), info: tell('info'), debug: tell('debug') },
    check: async () => {
      if (onDisk instanceof Error) throw onDisk;
      return onDisk;
    },
    changedSince: async () => [],
    prepare: (generation) => prepare(generation),
    show: (generation) => void shown.push(generation),
    old: async () => [],
    except: () => [],
  });
});
afterEach(() => {
  reload.stop();
  rmSync(folder, { recursive: true });
});

async function requested(): Promise<void> {
  reload.request(['init.lua']);
  await settle();
}

describe('a running policy', () => {
  beforeEach(() => reload.start(candidate([SPOOL, LISTENER])));

  test('a good candidate is prepared, then shown', async () => {
    const order: string[] = [];
    prepare = async (generation) => {
      order.push(`prepared ${generation}, shown ${shown.length}`);
    };
    await requested();
    await requested();
    expect(order).toEqual(['prepared 2, shown 0', 'prepared 3, shown 1']);
    expect(shown).toEqual([2, 3]);
    expect(await reload.status()).toMatchObject({ generation: 3, failure: null, needs_restart: [] });
    expect(said).toEqual(['info generation 2 serves (init.lua)', 'info generation 3 serves (init.lua)']);
  });

  test('a bad one changes nothing but the status, until a good one comes', async () => {
    onDisk = new Error('init.lua:7: syntax error');
    await requested();
    expect(shown).toEqual([]);
    expect(await reload.status()).toMatchObject({
      generation: 1,
      failure: { error: 'init.lua:7: syntax error', cause: ['init.lua'] },
    });
    expect(said).toEqual(['error not taken: init.lua:7: syntax error; generation 1 goes on serving']);
    expect(reload.counts).toEqual({ switched: 0, failed: 1 });
    onDisk = candidate([SPOOL, LISTENER]);
    await requested();
    expect(await reload.status()).toMatchObject({ generation: 2, failure: null });
  });

  test('one that a shard cannot load is not shown', async () => {
    prepare = () => Promise.reject(new Error('init.lua:9: out of luck'));
    await requested();
    expect(shown).toEqual([]);
    expect(await reload.status()).toMatchObject({
      generation: 1,
      failure: { error: 'init.lua:9: out of luck' },
    });
  });

  test('a truncated file, which is valid Lua, is refused', async () => {
    onDisk = candidate([SPOOL], ['init']);
    await requested();
    onDisk = candidate([], ['smtp_server_ehlo']);
    await requested();
    expect(shown).toEqual([]);
    expect(said[0]).toContain('no handler of mail is left in it');
    expect(said[1]).toContain('No spools have been defined');
  });

  test('what is asked for while one is built is built after it, once', async () => {
    const gates: (() => void)[] = [];
    prepare = () => new Promise((resolve) => gates.push(resolve));
    await requested();
    await requested();
    await requested();
    expect(gates).toHaveLength(1);
    expect(await reload.status()).toMatchObject({ generation: 1, is_building: true });
    gates[0]!();
    await settle();
    expect(gates).toHaveLength(2);
    gates[1]!();
    await settle();
    expect(shown).toEqual([2, 3]);
    expect((await reload.status()).is_building).toBe(false);
  });

  test('what takes a restart is named, against what runs, however often the policy changes', async () => {
    const changed = { ...LISTENER, options: { ...(LISTENER.options as object), max_connections: 20 } };
    onDisk = candidate([SPOOL, changed, { kind: 'configure_local_logs', options: {}, where: 'init.lua:6' }]);
    await requested();
    await requested();
    expect((await reload.status()).needs_restart).toEqual([
      {
        change: 'changed',
        declaration: 'start_esmtp_listener 127.0.0.1:2525',
        where: 'init.lua:4',
        options: ['max_connections'],
      },
      { change: 'added', declaration: 'configure_local_logs', where: 'init.lua:6' },
    ]);
    onDisk = candidate([SPOOL]);
    await requested();
    expect((await reload.status()).needs_restart).toEqual([
      { change: 'removed', declaration: 'start_esmtp_listener 127.0.0.1:2525', where: 'init.lua:4' },
    ]);
  });

  test('monitored globs are those of the generation that serves', async () => {
    expect((await reload.status()).monitored_globs).toEqual([
      `${folder}/**/*.{lua,json,toml,yaml}`,
      `${folder}/**/*.{lua,json,toml,yaml}`,
    ]);
    const globs = { kind: 'set_config_monitor_globs', options: ['/etc/*.toml'], where: 'init.lua:2' };
    onDisk = candidate([SPOOL, LISTENER, globs]);
    await requested();
    expect(await reload.status()).toMatchObject({ monitored_globs: ['/etc/*.toml'], needs_restart: [] });
  });
});

test('a request before the server is up is served when it is', async () => {
  reload.request(['kumo.bump_config_epoch']);
  await settle();
  expect(shown).toEqual([]);
  await reload.start(candidate([SPOOL, LISTENER]));
  await settle();
  expect(shown).toEqual([2]);
});
