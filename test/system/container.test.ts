import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { eventually } from '../kit/eventually.ts';
import { MailDrop } from '../kit/mail-drop.ts';
import { Moonpost } from '../kit/moonpost.ts';
import { sendOne } from '../kit/smtp-talk.ts';

// There may be no Docker where this runs, so the steps of the Dockerfile are taken here: what it copies is copied,
// what it compiles is compiled, and what comes of it is started. Packages are those of this checkout.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });
const root = resolve(import.meta.dirname, '../..');
const directory = mkdtempSync(join(tmpdir(), 'moonpost-image-'));

afterAll(async () => {
  await Moonpost.disposeAll();
  await MailDrop.stopAll();
  rmSync(directory, { recursive: true, force: true });
});

interface Instruction {
  name: string;
  text: string;
}

/** The stages of a Dockerfile by name; the last is called `image`. */
function stagesOf(text: string): Map<string, Instruction[]> {
  const stages = new Map<string, Instruction[]>();
  const lines = text
    .replace(/^#.*\n/gm, '')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
  for (const line of lines) {
    const [, name, rest] = /^([A-Z]+)\s+(.*)$/.exec(line)!;
    if (name === 'FROM') stages.set(/ AS (\w+)$/.exec(rest!)?.[1] ?? 'image', []);
    [...stages.values()].at(-1)!.push({ name: name!, text: rest! });
  }
  return stages;
}

const stages = stagesOf(readFileSync(join(root, 'Dockerfile'), 'utf8'));
const all = [...stages.values()].flat();

const last = (name: string): Instruction => stages.get('image')!.findLast((one) => one.name === name)!;

/** Copies into the file system of a stage what it copies; `WORKDIR` counts. */
function build(stage: string): string {
  const files = join(directory, stage);
  let at = '/';
  for (const { name, text } of stages.get(stage)!) {
    if (name === 'WORKDIR') at = text;
    if (name !== 'COPY') continue;
    const words = text.split(/\s+/);
    const from = words[0]!.startsWith('--from=') ? words.shift()!.slice('--from='.length) : undefined;
    const to = words.pop()!;
    for (const source of words) {
      if (source.endsWith('node_modules')) continue;
      const path = from === undefined ? join(root, source) : join(directory, from, source);
      const target = join(files, resolve(at, to), to.endsWith('/') ? basename(source) : '');
      mkdirSync(dirname(target), { recursive: true });
      cpSync(path, target, { recursive: true });
    }
  }
  return files;
}

beforeAll(() => {
  const build1 = join(build('build'), 'build');
  symlinkSync(join(root, 'node_modules'), join(build1, 'node_modules'));
  const { scripts } = JSON.parse(readFileSync(join(build1, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const [command, ...args] = scripts.build!.split(' ');
  const compiled = spawnSync(join(root, 'node_modules/.bin', command!), args, {
    cwd: build1,
    encoding: 'utf8',
  });
  expect(compiled.status, compiled.stdout + compiled.stderr).toBe(0);
  build('image');
  symlinkSync(join(root, 'node_modules'), join(directory, 'image/opt/moonpost/node_modules'));
});

test('the Dockerfile copies what is there, and .dockerignore lets it through', () => {
  const ignore = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n');
  expect(ignore).toContain('*');
  const copied = all
    .filter(({ name, text }) => name === 'COPY' && !text.startsWith('--from='))
    .flatMap(({ text }) => text.split(/\s+/).slice(0, -1));
  expect(copied.length).toBeGreaterThan(10);
  for (const path of copied) {
    expect(existsSync(join(root, path)), path).toBe(true);
    expect(ignore).toContain(`!${path}`);
  }
  const { scripts, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
    engines: { node: string };
  };
  const runs = all.filter(({ name }) => name === 'RUN').map(({ text }) => text);
  for (const [, script] of runs.join('\n').matchAll(/npm run (\w+)/g))
    expect(scripts).toHaveProperty(script!);
  const images = all
    .filter(({ name, text }) => name === 'FROM' && /^node:/.test(text))
    .map(({ text }) => text);
  expect(images.map((image) => image.split(' ')[0])).toEqual(['node:24-slim', 'node:24-slim']);
  expect(engines.node).toBe('>=24');
});

test('the image runs as somebody, under tini, with commands and a policy that it has', () => {
  const users = stages.get('image')!.filter(({ text }) => /^useradd /.test(text));
  expect(users).toHaveLength(1);
  expect(users[0]!.text).toMatch(/ moonpost(?= |$)/);
  expect(last('USER').text).toBe('moonpost');
  const runs = stages.get('image')!.filter(({ name }) => name === 'RUN');
  const entry = JSON.parse(last('ENTRYPOINT').text) as string[];
  expect(entry).toEqual(['tini', '--', 'moonpost']);
  expect(runs.some(({ text }) => /apt-get install .* tini/.test(text))).toBe(true);
  const link = /ln -s (\S+) \/usr\/local\/bin\/moonpost/.exec(runs.map(({ text }) => text).join('\n'))!;
  expect(existsSync(join(directory, 'image', link[1]!))).toBe(true);
  const command = JSON.parse(last('CMD').text) as string[];
  expect(command[0]).toBe('--policy');
  expect(existsSync(join(directory, 'image', command[1]!))).toBe(true);
  // What the policy of the image writes to is what the image makes for its user.
  const policy = readFileSync(join(directory, 'image', command[1]!), 'utf8');
  const volumes = JSON.parse(last('VOLUME').text) as string[];
  const paths = [...policy.matchAll(/(?:path|log_dir) = '(\/[^']+)'/g)].map(([, path]) => path!);
  expect(paths).toHaveLength(3);
  for (const path of paths)
    expect(
      volumes.some((volume) => path.startsWith(volume)),
      path,
    ).toBe(true);
  for (const volume of volumes) {
    expect(runs.some(({ text }) => text.includes(`install -d -o moonpost`) && text.includes(volume))).toBe(
      true,
    );
  }
});

test('what is in the image takes and delivers mail, by nothing but its dependencies; its health check tells', async () => {
  const drop = await MailDrop.start();
  const product = join(directory, 'image/opt/moonpost');
  expect(existsSync(join(product, 'src'))).toBe(false);
  const { dependencies } = JSON.parse(readFileSync(join(product, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const compiled = readdirSync(join(product, 'dist'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.js'),
  );
  expect(compiled.length).toBeGreaterThan(100);
  for (const name of compiled) {
    const text = readFileSync(join(product, 'dist', name), 'utf8');
    for (const [, imported] of text.matchAll(/^(?:import|export) [^;]*?from '([^.][^']*)';$/gm)) {
      if (imported!.startsWith('node:')) continue;
      const [scope, rest] = imported!.split('/');
      expect(dependencies, name).toHaveProperty([imported!.startsWith('@') ? `${scope}/${rest}` : scope!]);
    }
  }

  let policy = readFileSync(join(directory, 'image/etc/moonpost/policy/init.lua'), 'utf8');
  for (const [from, to] of [
    ["'0.0.0.0:2525'", "'127.0.0.1:0'"],
    ["'0.0.0.0:8000'", "'127.0.0.1:0'"],
    ["'sink:2526'", `{ name = 'sink', addr = '127.0.0.1:${drop.port}' }`],
    ['connection_limit = 32,', 'prohibited_hosts = {},'],
    ['/var/log/moonpost', 'DIR/log'],
    ["'/var/spool/moonpost/data'", "'DIR/spool/data', min_free_space = 0, min_free_inodes = 0"],
    ["'/var/spool/moonpost/meta'", "'DIR/spool/meta', min_free_space = 0, min_free_inodes = 0"],
  ] as const) {
    expect(policy.split(from), from).toHaveLength(2);
    policy = policy.replace(from, to);
  }
  const server = await Moonpost.start({ policy, launcher: join(product, 'bin/moonpost.js') });
  expect(await sendOne(server.smtp)).toMatch(/^250 OK/);
  await server.untilCounts({ Delivery: 1 });

  const [, check] = /CMD (\[.*\])$/.exec(last('HEALTHCHECK').text)!;
  const [node, ...args] = JSON.parse(check!) as string[];
  expect(node).toBe('node');
  const health = (port: number): number | null =>
    spawnSync(process.execPath, args, {
      env: { ...process.env, KUMO_KCLI_ENDPOINT: `http://127.0.0.1:${port}` },
    }).status;
  // Docker asks several times, too, before it believes that something is wrong.
  await eventually(() => (health(server.http) === 0 ? true : undefined));
  // Somebody listens there who does not answer, for this process waits; nobody listens there.
  expect(health(drop.port)).toBe(1);
  expect(await server.stop()).toBe(0);
  expect(health(server.http)).toBe(1);
});

test('the compose file runs the image with the policy beside it, and gives it time to end', () => {
  const folder = join(root, 'examples/container');
  const { services, volumes } = parse(readFileSync(join(folder, 'compose.yaml'), 'utf8')) as {
    services: Record<string, Record<string, unknown>>;
    volumes: Record<string, unknown>;
  };
  const { moonpost, sink } = services;
  expect(existsSync(join(folder, moonpost!.build as string, 'Dockerfile'))).toBe(true);
  expect(sink!.image).toBe(moonpost!.image);
  expect(moonpost!.stop_grace_period).toBe('5m');
  const inImage = JSON.parse(last('VOLUME').text) as string[];
  for (const mount of moonpost!.volumes as string[]) {
    const [from, to] = mount.split(':');
    if (from!.startsWith('.')) {
      expect(existsSync(join(folder, from!)), from).toBe(true);
      expect(JSON.parse(last('CMD').text)).toContain(to);
    } else {
      expect(volumes).toHaveProperty(from!);
      expect(inImage).toContain(to);
    }
  }
  const policy = readFileSync(join(folder, 'init.lua'), 'utf8');
  const [command, option, address] = sink!.command as string[];
  expect([command, option]).toEqual(['sink', '--listen']);
  expect(policy).toContain(`'sink:${address!.split(':')[1]}'`);
});
