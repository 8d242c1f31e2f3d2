import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { readPackageSource } from '../io/files/index.ts';
import type { Fengari } from './fengari.ts';
import { applyPatches, fengariVersion, patches } from './patches/index.ts';
import { vmSupport } from './vm-support.ts';

export interface VmOptions {
  /** False loads fengari as published: the baseline of benchmarks and of the patch tests. */
  readonly patched?: boolean;
  /**
   * What the library's own imports get. By default files, processes and the terminal are out of reach from
   * inside the VM, whatever its libraries would allow.
   */
  readonly importFrom?: 'nowhere' | 'node';
}

type RequireFunction = (name: string) => unknown;

const unreachable: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['fs', {}],
  ['child_process', {}],
  ['tmp', {}],
  ['path', {}],
  ['readline-sync', { setDefaultOptions() {} }],
]);

/** Compiles fengari with our patch set. Throws when its version or the place of an edit differs. */
export function loadVm(options: VmOptions = {}): { require: RequireFunction } {
  const source = readPackageSource('fengari', 'src');
  if (source.version !== fengariVersion) {
    throw new Error(`the patch set is for fengari ${fengariVersion}, installed is ${source.version}`);
  }
  const files = applyPatches(source.files, (options.patched ?? true) ? patches : []);
  const directory = join(source.directory, 'src');
  const nodeRequire = createRequire(join(directory, 'fengari.js'));
  const modules = new Map<string, { exports: unknown }>();
  const outside = (name: string): unknown => {
    if (name === 'moonpost') return vmSupport;
    if (options.importFrom !== 'node' && unreachable.has(name)) return unreachable.get(name);
    return nodeRequire(name);
  };
  const load: RequireFunction = (name) => {
    const file = name.replace(/^\.\//, '');
    const text = files.get(file);
    if (text === undefined) return outside(name);
    const known = modules.get(file);
    if (known !== undefined) return known.exports;
    const module = { exports: {} as unknown };
    modules.set(file, module);
    const script = new Script(`(function (module, exports, require) {${text}\n})`, {
      filename: join(directory, file),
    });
    script.runInThisContext()(module, module.exports, load);
    return module.exports;
  };
  load('./fengari.js');
  return { require: load };
}

let shared: Fengari | undefined;

/** The patched VM, compiled at first use and shared by all states of this thread. */
export function fengari(): Fengari {
  shared ??= vmModules(loadVm().require);
  return shared;
}

/** The modules of one loaded VM that our engine works with. */
export function vmModules(require: RequireFunction): Fengari {
  return {
    lua: require('./lua.js'),
    lauxlib: require('./lauxlib.js'),
    lualib: require('./lualib.js'),
    lobject: require('./lobject.js'),
    lfunc: require('./lfunc.js'),
    lstring: require('./lstring.js'),
    ltable: require('./ltable.js'),
  } as Fengari;
}
