import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { describe, expect, test } from 'vitest';

// The import law of the house; each failure prints the broken rule and the file that breaks it.
const root = resolve(import.meta.dirname, '../src');

/** Floors from the top down; a file may import from its own floor and from those below. */
const floors = ['entry', 'api', 'flow', 'lua', 'io', 'model', 'protocol'] as const;
/** Rooms of `flow` in the order of a message's journey. */
const journey = ['smtp-server', 'reception', 'scheduled-queue', 'ready-queue', 'delivery'];
/** Ways into the journey stand side by side at its start. */
const entrances = ['smtp-server', 'http-injection', 'log-hooks'];

const outsideModules = new Set(
  ['fs', 'fs/promises', 'net', 'tls', 'dns', 'dns/promises', 'http', 'https', 'http2', 'worker_threads']
    .concat(['child_process', 'dgram', 'timers', 'timers/promises', 'os', 'sqlite'])
    .map((name) => `node:${name}`),
);
const outsideCalls =
  /\b(setTimeout|setInterval|setImmediate)\(|\bDate\.now\(|\bnew Date\(\)|\bMath\.random\b|\bperformance\.now\(|\bprocess\.hrtime\b/;
const vagueNames = /(^|\/)(utils?|common|helpers?|interfaces|misc|shared)(\/|\.ts$)|(^|\/)types\.ts$/;

interface SourceFile {
  path: string;
  text: string;
  imports: string[];
}

function listFiles(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) return listFiles(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}

const files: SourceFile[] = listFiles(root).map((path) => {
  const text = readFileSync(path, 'utf8');
  const imports = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
  return { path: relative(root, path).split(sep).join('/'), text, imports };
});

function floorOf(path: string): number {
  const top = path.split('/')[0]!;
  const index = floors.indexOf(top as (typeof floors)[number]);
  return index === -1 ? 0 : index;
}

function resolved(file: SourceFile, specifier: string): string {
  return relative(root, resolve(root, dirname(file.path), specifier))
    .split(sep)
    .join('/');
}

function localImports(file: SourceFile): string[] {
  return file.imports.filter((name) => name.startsWith('.')).map((name) => resolved(file, name));
}

const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '');

describe('the import law', () => {
  test('rule 1: imports go only downward', () => {
    const broken = files.flatMap((file) =>
      localImports(file)
        .filter((target) => floorOf(target) < floorOf(file.path))
        .map((target) => `${file.path} imports ${target}`),
    );
    expect(broken).toEqual([]);
  });

  test('rule 2: inside flow, only the next room', () => {
    const room = (path: string): string => path.split('/')[1]!;
    const next = (name: string): string | undefined =>
      entrances.includes(name) ? 'reception' : journey[journey.indexOf(name) + 1];
    const broken = files
      .filter((file) => file.path.startsWith('flow/'))
      .flatMap((file) =>
        localImports(file)
          .filter((target) => target.startsWith('flow/'))
          .filter((target) => room(target) !== room(file.path) && room(target) !== next(room(file.path)))
          .map((target) => `${file.path} imports ${target}`),
      );
    expect(broken).toEqual([]);
  });

  test('rule 3: only io, main, server, shard and cli touch the outside', () => {
    const allowed = (path: string): boolean =>
      path.startsWith('io/') ||
      path.startsWith('cli/') ||
      ['main.ts', 'server.ts', 'shard.ts'].includes(path);
    const broken = files
      .filter((file) => !allowed(file.path))
      .flatMap((file) => {
        const modules = file.imports.filter((name) => outsideModules.has(name));
        const call = outsideCalls.exec(withoutComments(file.text))?.[0];
        return [...modules, ...(call === undefined ? [] : [call])].map((what) => `${file.path} uses ${what}`);
      });
    expect(broken).toEqual([]);
  });

  test('rule 4: a room is entered through its index.ts', () => {
    const isAncestor = (directory: string, of: string): boolean =>
      directory === '.' || of === directory || of.startsWith(`${directory}/`);
    const broken = files.flatMap((file) =>
      localImports(file)
        .filter((target) => !target.endsWith('/index.ts') && target.includes('/'))
        .filter((target) => !isAncestor(dirname(target), dirname(file.path)))
        .map((target) => `${file.path} imports ${target}`),
    );
    expect(broken).toEqual([]);
  });

  test('rule 4: no vague names', () => {
    expect(files.map((file) => file.path).filter((path) => vagueNames.test(path))).toEqual([]);
  });

  test('no import cycles between files', () => {
    const graph = new Map(files.map((file) => [file.path, localImports(runtimeOnly(file))]));
    expect(findCycle(graph)).toBeUndefined();
  });

  test('files have 400 lines or fewer', () => {
    const long = files
      .map((file) => ({ path: file.path, lines: file.text.split('\n').length - 1 }))
      .filter(({ lines }) => lines > 400);
    expect(long).toEqual([]);
  });
});

/** Type imports vanish at run time and tie no knots. */
function runtimeOnly(file: SourceFile): SourceFile {
  const text = file.text.replace(/import type [^;]+;/g, '').replace(/export type [^;]+from[^;]+;/g, '');
  return {
    ...file,
    imports: [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!),
  };
}

function findCycle(graph: Map<string, string[]>): string | undefined {
  const done = new Set<string>();
  const walk = (node: string, trail: string[]): string | undefined => {
    if (trail.includes(node)) return [...trail.slice(trail.indexOf(node)), node].join(' -> ');
    if (done.has(node)) return undefined;
    for (const next of graph.get(node) ?? []) {
      const cycle = walk(next, [...trail, node]);
      if (cycle !== undefined) return cycle;
    }
    done.add(node);
    return undefined;
  };
  for (const node of graph.keys()) {
    const cycle = walk(node, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}
