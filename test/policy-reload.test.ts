import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { changedFiles } from '../src/io/files/index.ts';
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
let onDisk: Candidate | Error | (() => Candidate);
let prepare: (generation: number) => Promise<void>;
/** Candidates that threads are being made ready for. */
let preparing: number;
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
  preparing = 0;
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
      return typeof onDisk === 'function' ? onDisk() : onDisk;
    },
    changedSince: changedFiles,
    prepare: async (generation) => {
      preparing++;
      await prepare(generation).finally(() => preparing--);
    },
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
  await settled();
}

/** Until nothing is being built, or the building waits for `prepare`. Files are looked at, which takes the time it takes. */
async function settled(): Promise<void> {
  do await settle();
  while (preparing === 0 && (await reload.status()).is_building);
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
    await settled();
    expect(gates).toHaveLength(2);
    gates[1]!();
    await settled();
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
  await settled();
  expect(shown).toEqual([]);
  await reload.start(candidate([SPOOL, LISTENER]));
  await settled();
  expect(shown).toEqual([2]);
});

test('what was asked for often, before the server is up, is one request', async () => {
  for (let i = 0; i < 1000; i++) reload.request(['kumo.bump_config_epoch']);
  await reload.start(candidate([SPOOL, LISTENER]));
  await settled();
  expect(said).toEqual(['info generation 2 serves (kumo.bump_config_epoch)']);
});

describe('files that were seen to change', () => {
  const file = (): string => join(folder, 'init.lua');
  let writes = 0;

  /** Writes a file; each time with a later time of change, as on a disk with coarse times. */
  function save(text: string, path = file()): void {
    writeFileSync(path, text);
    writes += 10;
    utimesSync(path, 1_700_000_000 + writes, 1_700_000_000 + writes);
  }

  /** A candidate that has read what is on disk. */
  function read(): Candidate {
    return { ...candidate([SPOOL, LISTENER]), texts: new Map([[file(), readFileSync(file())]]) };
  }

  /** Time goes on in small steps, each for as long as the look takes that begins then: a timer shows that it is over. */
  async function pass(duration: number): Promise<void> {
    for (let passed = 0; passed < duration; passed += 50) {
      await clock.advance(50);
      while (clock.pending === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      await settled();
    }
  }

  /** Until the look at the files has come to what is expected. */
  async function until(isSo: () => boolean): Promise<void> {
    for (let steps = 0; !isSo() && steps < 100; steps++) await pass(500);
    expect(isSo()).toBe(true);
  }

  beforeEach(async () => {
    save('one');
    onDisk = read;
    await reload.start(read());
  });

  test('are read', async () => {
    save('two');
    await until(() => shown.length > 0);
    expect(said).toEqual([`info generation 2 serves (${file()})`]);
  });

  test('are not read again when somebody had asked for it after they were saved', async () => {
    save('two');
    save('{}', join(folder, 'data.json'));
    reload.request(['bump']);
    await until(() => shown.length > 0);
    await pass(3000);
    expect(said).toEqual(['info generation 2 serves (bump)']);
  });

  test('build nothing when they say what the serving generation has read', async () => {
    let release = (): void => {};
    prepare = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    // Saved between the request and the reading: the look finds it while the generation is being built.
    onDisk = () => {
      save('two');
      return read();
    };
    let looks = 0;
    reload.request(['bump']);
    await until(() => ++looks > 4);
    expect((await reload.status()).is_building).toBe(true);
    onDisk = read;
    prepare = () => Promise.resolve();
    release();
    await pass(3000);
    expect(shown).toEqual([2]);
    expect((await reload.status()).is_building).toBe(false);
    save('three');
    await until(() => shown.length > 1);
    expect(shown).toEqual([2, 3]);
  });

  test('build when a failure is shown, so that it goes away', async () => {
    save('broken');
    onDisk = new Error('init.lua:1: broken');
    await until(() => said.length > 0);
    expect((await reload.status()).failure).not.toBeNull();
    onDisk = read;
    save('one');
    await until(() => shown.length > 0);
    expect(await reload.status()).toMatchObject({ generation: 2, failure: null });
  });

  test('build when they are no text of the policy', async () => {
    save('{}', join(folder, 'data.json'));
    await until(() => shown.length > 0);
    expect(said).toEqual([`info generation 2 serves (${join(folder, 'data.json')})`]);
  });
});

describe('once the server ends', () => {
  beforeEach(() => reload.start(candidate([SPOOL, LISTENER])));

  test('nothing that is asked for is built', async () => {
    reload.stop();
    await requested();
    expect(shown).toEqual([]);
    expect(await reload.status()).toMatchObject({ generation: 1, failure: null, is_building: false });
  });

  test.each(['good', 'bad'])('one that is being built, and is %s, changes nothing', async (which) => {
    let end = (_error?: Error): void => {};
    prepare = () =>
      new Promise((resolve, reject) => {
        end = (error) => (error === undefined ? resolve() : reject(error));
      });
    await requested();
    await requested();
    reload.stop();
    end(which === 'good' ? undefined : new Error('no'));
    await settled();
    expect(shown).toEqual([]);
    expect(said).toEqual([]);
    expect((await reload.status()).is_building).toBe(false);
  });
});

test('a server that ends before it is up follows nothing', async () => {
  reload.request(['bump']);
  reload.stop();
  await reload.start(candidate([SPOOL, LISTENER]));
  await settled();
  expect(shown).toEqual([]);
  expect(clock.pending).toBe(0);
});
