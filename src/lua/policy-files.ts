import { dirname, join, resolve } from 'node:path';
import { isRegularFile, readFileIfPresent } from '../io/files/index.ts';
import type { PolicyHost } from '../model/index.ts';
import { type Closure, type LuaThread, type Prototype, status, type TValue, tag } from './fengari.ts';
import { fengari } from './vm.ts';

const sharePrefix = '/opt/kumomta/share/';
const extras = 'policy-extras';
/** A policy that opens a file per message must not fill the memory with their names. */
const mostNoted = 4096;

/** A policy that cannot be loaded; the message starts with `FILE:LINE: ` where there is one. */
export class PolicyLoadError extends Error {}

/**
 * Where a path under /opt/kumomta/share that does not exist is found among our helpers, so that
 * `/opt/kumomta/share/policy-extras/shaping.toml` opens `helpers/shaping.toml`. Other paths come back unchanged.
 */
export function sharedFile(path: string, helpersDir: string): string {
  if (!path.startsWith(sharePrefix) || isRegularFile(path)) return path;
  const name = path.slice(sharePrefix.length).replace(/^policy-extras\//, '');
  const ours = join(helpersDir, name);
  return ours.startsWith(`${helpersDir}/`) && isRegularFile(ours) ? ours : path;
}

/**
 * The Lua files of one policy generation: each is read and compiled once, and its compiled form is shared by
 * all states, so that every state of the generation runs the same text whatever happens on disk.
 */
export class PolicyFiles {
  readonly file: string;
  readonly helpersDir: string;
  readonly #texts = new Map<string, Buffer>();
  readonly #prototypes = new Map<string, Prototype>();
  readonly #noted = new Set<string>();
  readonly #written = new Set<string>();
  /** Told of each file once. */
  readonly #told: PolicyHost['fileUsed'];

  /** `texts` are files that were read already, by path: what they say is not read again. */
  constructor(
    file: string,
    helpersDir: string,
    texts?: ReadonlyMap<string, Uint8Array>,
    told?: PolicyHost['fileUsed'],
  ) {
    this.file = file;
    this.#told = told;
    this.helpersDir = helpersDir;
    for (const [path, text] of texts ?? []) {
      this.#texts.set(path, Buffer.from(text.buffer, text.byteOffset, text.byteLength));
    }
  }

  /** All files read so far, by path. */
  get texts(): ReadonlyMap<string, Uint8Array> {
    return this.#texts;
  }

  /** Paths of all files read so far: the Lua files, and the data files that scripts read and do not write. */
  get filesRead(): string[] {
    return [...this.#texts.keys(), ...this.#noted];
  }

  /** Notes a data file that a script opened. One that it writes too is its own, and not what it depends on. */
  note(path: string, use: 'read' | 'written'): void {
    const file = resolve(path);
    if (/^\/(?:proc|sys|dev)\//.test(file)) return;
    if (this.#written.has(file) || (use === 'read' && this.#noted.has(file))) return;
    const known = use === 'read' ? this.#noted : this.#written;
    if (use === 'written') this.#noted.delete(file);
    if (known.size >= mostNoted) return;
    known.add(file);
    this.#told?.(file, use);
  }

  /** How often `text` occurs in the files read so far. */
  occurrences(text: string): number {
    let count = 0;
    for (const content of this.#texts.values()) count += content.toString('latin1').split(text).length - 1;
    return count;
  }

  /** The operator's own places come first; ours (`policy-extras`) are asked after all of them. */
  get packagePath(): string {
    const own = dirname(this.file);
    const folders = ['/opt/kumomta/share', '/opt/kumomta/etc/policy', own, '/usr/local/share/lua/5.4', '.'];
    return folders.map((folder) => `${folder}/?.lua;${folder}/?/init.lua`).join(';');
  }

  /** The first file that `path` (as package.path) has for a module, or what was tried. */
  search(module: string, path: string): { found: string } | { tried: string[] } {
    const name = module.replaceAll('.', '/');
    const tried: string[] = [];
    for (const template of path.split(';')) {
      if (template === '') continue;
      const file = template.replaceAll('?', name);
      if (this.#texts.has(file) || isRegularFile(file)) return { found: file };
      tried.push(file);
    }
    if (module.startsWith(`${extras}.`)) {
      const file = join(this.helpersDir, `${name.slice(extras.length + 1)}.lua`);
      if (isRegularFile(file)) return { found: file };
      tried.push(file);
    }
    return { tried };
  }

  /** Loads a file as a function of this state. Answers a message where it cannot be read or compiled. */
  load(L: LuaThread, path: string): TValue | string {
    const file = sharedFile(path, this.helpersDir);
    const known = this.#prototypes.get(file);
    if (known !== undefined) return functionOf(L, known);
    const text = this.#texts.get(file) ?? readFileIfPresent(file);
    if (text === undefined) return `cannot open ${path}`;
    if (!this.#texts.has(file)) this.#told?.(resolve(file), 'read');
    this.#texts.set(file, text);
    const compiled = compile(L, withoutShebang(text), `@${file}`);
    if (typeof compiled === 'string') return compiled;
    this.#prototypes.set(file, (compiled.value as Closure).p);
    return compiled;
  }

  /** Drops what compiled functions remember of the last state that ran them. */
  forgetState(): void {
    for (const prototype of this.#prototypes.values()) dropCaches(prototype);
  }
}

function dropCaches(prototype: Prototype): void {
  prototype.cache = null;
  for (const inner of prototype.p) dropCaches(inner);
}

const textOnly = new Uint8Array([0x74]);

/** Compiles text; bytecode is refused. Answers the function, or the message of the syntax error. */
export function compile(L: LuaThread, text: Uint8Array, name: string): TValue | string {
  const { lauxlib, lobject } = fengari();
  const result = lauxlib.luaL_loadbufferx(L, text, text.length, Buffer.from(name), textOnly);
  const top = L.stack[--L.top]!;
  L.stack[L.top] = undefined as unknown as TValue;
  if (result === status.ok) return new lobject.TValue(top.type, top.value);
  return Buffer.from(top.value.realstring).toString();
}

/** A function of this state for a chunk that another state compiled. */
function functionOf(L: LuaThread, prototype: Prototype): TValue {
  const { lobject, ltable } = fengari();
  const closure = new lobject.LClosure(L, prototype.upvalues.length);
  closure.p = prototype;
  for (let i = 0; i < closure.nupvalues; i++) closure.upvals[i] = new lobject.TValue(tag.nil, null);
  closure.upvals[0]?.setfrom(ltable.luaH_getint(L.l_G.l_registry.value, 2));
  return new lobject.TValue(tag.luaClosure, closure);
}

/** Lua passes over a first line that starts with `#`, and a byte order mark before it. */
function withoutShebang(text: Buffer): Buffer {
  const start = text[0] === 0xef && text[1] === 0xbb && text[2] === 0xbf ? 3 : 0;
  if (text[start] !== 0x23) return text.subarray(start);
  const end = text.indexOf(0x0a);
  return end < 0 ? Buffer.alloc(0) : text.subarray(end);
}
