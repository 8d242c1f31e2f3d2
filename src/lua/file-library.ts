import {
  FileError,
  openTemporary,
  removePath,
  renamePath,
  ScriptFile,
  type ScriptStream,
  temporaryPath,
} from '../io/files/index.ts';
import { newTable, set, setFunction, tableValue } from './bindings.ts';
import { type LuaCFunction, type LuaThread, type Table, type TValue, tag, type Userdata } from './fengari.ts';
import { type PolicyFiles, sharedFile } from './policy-files.ts';
import { raise } from './position.ts';
import {
  argumentCount,
  bad,
  bytesAt,
  integerAt,
  isNil,
  push,
  pushBytes,
  pushFunction,
  pushNil,
  pushNumber,
  pushText,
  pushTrue,
  pushValue,
  textAt,
} from './raw-arguments.ts';
import { fengari } from './vm.ts';
import { stateOf } from './waiting.ts';

/**
 * `io` of Lua 5.4, and the files of `os`. All of it acts at once: a policy that reads much of a slow disk in a
 * handler has kumo.fs, which waits. Failures come back as nil, text and errno, as in C.
 */

const pattern = { line: 0x6c, lineWithEnd: 0x4c, all: 0x61, number: 0x6e };
const longestNumber = 200;

/** Standard input, which policy does not have, and standard output and error, which it can only write. */
class StandardStream implements ScriptStream {
  readonly isClosed = false;
  readonly #name: string;
  readonly #write: ((text: string) => void) | undefined;

  constructor(name: string, write?: (text: string) => void) {
    this.#name = name;
    this.#write = write;
  }

  #refused(): never {
    throw new FileError(9, `${this.#name} is not available to policy`);
  }

  read(): Buffer {
    return this.#refused();
  }
  readLine(): Buffer | undefined {
    return this.#refused();
  }
  readAll(): Buffer {
    return this.#refused();
  }
  peek(): number | undefined {
    return this.#refused();
  }
  seek(): number {
    throw new FileError(29, 'Illegal seek');
  }
  close(): void {
    throw new FileError(22, 'cannot close standard file');
  }
  write(bytes: Uint8Array): void {
    if (this.#write === undefined) this.#refused();
    this.#write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
  }
}

/** The files of one state: what `io.read` and `io.write` use, and how a file looks to Lua. */
interface Files {
  readonly known: PolicyFiles;
  readonly metatable: Table;
  input: ScriptStream;
  output: ScriptStream;
}

/** Fills the tables `io` and `os` of a new state. */
export function openFileLibrary(L: LuaThread, io: Table, os: Table, known: PolicyFiles): void {
  const state = stateOf(L);
  const standard = {
    stdin: new StandardStream('standard input'),
    stdout: new StandardStream('standard output', (text) => state.print(text)),
    stderr: new StandardStream('standard error', (text) => void process.stderr.write(text)),
  };
  const metatable = newTable(L, { __name: 'FILE*', __metatable: false });
  const files: Files = { known, metatable, input: standard.stdin, output: standard.stdout };
  const methods = newTable(L, {});
  set(L, metatable, '__index', tableValue(methods));
  setFunction(L, metatable, '__tostring', (L) => pushText(L, shown(anyFileAt(L, 1, '__tostring'))));
  setFunction(L, metatable, '__close', (L) => {
    const file = anyFileAt(L, 1, '__close');
    if (!file.isClosed) attempt(L, () => closed(file));
    return 0;
  });
  for (const [name, fn] of Object.entries(fileMethods)) setFunction(L, methods, name, fn);
  for (const [name, stream] of Object.entries(standard)) set(L, io, name, fileValue(L, files, stream));
  openIo(L, io, files);
  openOs(L, os, files);
}

function openIo(L: LuaThread, io: Table, files: Files): void {
  setFunction(L, io, 'open', (L) => {
    const path = textAt(L, 1, 'open');
    const mode = argumentCount(L) >= 2 && !isNil(L, 2) ? textAt(L, 2, 'open') : 'r';
    if (!/^[rwa]\+?b?$/.test(mode)) bad(L, 2, 'open', 'invalid mode');
    return attempt(L, () => pushValue(L, fileValue(L, files, openFile(files, path, mode))));
  });
  setFunction(L, io, 'tmpfile', (L) => attempt(L, () => pushValue(L, fileValue(L, files, openTemporary()))));
  setFunction(L, io, 'type', (L) => {
    if (argumentCount(L) < 1) bad(L, 1, 'type', 'value expected');
    const file = streamOf(L.stack[L.ci.funcOff + 1]!);
    if (file === undefined) return pushNil(L);
    return pushText(L, file.isClosed ? 'closed file' : 'file');
  });
  setFunction(L, io, 'close', (L) =>
    closeFile(L, argumentCount(L) === 0 ? files.output : fileAt(L, 1, 'close')),
  );
  setFunction(L, io, 'read', (L) => attempt(L, () => readFormats(L, openOne(L, files.input), 1)));
  setFunction(L, io, 'write', (L) => writeAll(L, files, openOne(L, files.output), 1));
  setFunction(L, io, 'lines', (L) => {
    if (argumentCount(L) === 0 || isNil(L, 1)) return pushLines(L, openOne(L, files.input), 2, false);
    const path = textAt(L, 1, 'lines');
    const file = orRaise(L, () => openFile(files, path, 'r'));
    pushLines(L, file, 2, true);
    return 1 + pushNil(L) + pushNil(L) + pushValue(L, fileValue(L, files, file));
  });
  for (const [name, mode] of [
    ['input', 'r'],
    ['output', 'w'],
  ] as const) {
    setFunction(L, io, name, (L) => {
      if (argumentCount(L) > 0 && !isNil(L, 1)) {
        const given = L.stack[L.ci.funcOff + 1]!;
        const file = streamOf(given) ?? orRaise(L, () => openFile(files, textAt(L, 1, name), mode));
        files[name] = file;
      }
      return pushValue(L, fileValue(L, files, files[name]));
    });
  }
}

function openOs(L: LuaThread, os: Table, files: Files): void {
  setFunction(L, os, 'remove', (L) => {
    const path = textAt(L, 1, 'remove');
    return attempt(L, () => {
      removePath(path);
      return pushTrue(L);
    });
  });
  setFunction(L, os, 'rename', (L) => {
    const [from, to] = [textAt(L, 1, 'rename'), textAt(L, 2, 'rename')];
    return attempt(L, () => {
      renamePath(from, to);
      files.known.note(to, 'written');
      return pushTrue(L);
    });
  });
  setFunction(L, os, 'tmpname', (L) => pushText(L, orRaise(L, temporaryPath)));
}

const fileMethods: Record<string, LuaCFunction> = {
  read: (L) => {
    const file = fileAt(L, 1, 'read');
    return attempt(L, () => readFormats(L, file, 2));
  },
  write: (L) => {
    const file = fileAt(L, 1, 'write');
    const self = L.stack[L.ci.funcOff + 1]!;
    return attempt(L, () => {
      for (let index = 2; index <= argumentCount(L); index++) file.write(bytesAt(L, index, 'write'));
      return push(L, self.type, self.value);
    });
  },
  lines: (L) => pushLines(L, fileAt(L, 1, 'lines'), 2, false),
  close: (L) => closeFile(L, fileAt(L, 1, 'close')),
  flush: (L) => {
    fileAt(L, 1, 'flush');
    const self = L.stack[L.ci.funcOff + 1]!;
    return push(L, self.type, self.value);
  },
  // Nothing is held back, so there is no buffer to set.
  setvbuf: (L) => {
    fileAt(L, 1, 'setvbuf');
    const mode = textAt(L, 2, 'setvbuf');
    if (!['no', 'full', 'line'].includes(mode)) bad(L, 2, 'setvbuf', `invalid option '${mode}'`);
    return pushTrue(L);
  },
  seek: (L) => {
    const file = fileAt(L, 1, 'seek');
    const whence = isNil(L, 2) ? 'cur' : textAt(L, 2, 'seek');
    if (whence !== 'set' && whence !== 'cur' && whence !== 'end') {
      return bad(L, 2, 'seek', `invalid option '${whence}'`);
    }
    const offset = isNil(L, 3) ? 0 : integerAt(L, 3, 'seek');
    return attempt(L, () => pushNumber(L, file.seek(whence, offset)));
  },
};

function openFile(files: Files, path: string, mode: string): ScriptFile {
  const reads = mode.startsWith('r') && !mode.includes('+');
  const place = reads ? sharedFile(path, files.known.helpersDir) : path;
  const file = ScriptFile.open(place, mode);
  files.known.note(place, reads ? 'read' : 'written');
  return file;
}

function closeFile(L: LuaThread, file: ScriptStream): number {
  return attempt(L, () => closed(file) + pushTrue(L));
}

function closed(file: ScriptStream): number {
  file.close();
  return 0;
}

function writeAll(L: LuaThread, files: Files, file: ScriptStream, first: number): number {
  return attempt(L, () => {
    const pieces: Uint8Array[] = [];
    for (let index = first; index <= argumentCount(L); index++) pieces.push(bytesAt(L, index, 'write'));
    file.write(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces));
    return pushValue(L, fileValue(L, files, file));
  });
}

/** Pushes a value for each format from argument `first` on; nil for the first that there is nothing for. */
function readFormats(L: LuaThread, file: ScriptStream, first: number): number {
  const count = argumentCount(L);
  if (count < first) return pushBytes(L, lineOf(file, false));
  const formats = L.stack.slice(L.ci.funcOff + first, L.ci.funcOff + count + 1);
  let pushed = 0;
  for (const [index, format] of formats.entries()) {
    pushed++;
    if (!pushRead(L, file, format, first + index)) break;
  }
  return pushed;
}

/** False when nil was pushed. */
function pushRead(L: LuaThread, file: ScriptStream, format: TValue, index: number): boolean {
  if ((format.type & 0x0f) === tag.number) {
    const length = format.value as number;
    if (length === 0) pushBytes(L, file.peek() === undefined ? undefined : Buffer.alloc(0));
    else {
      const bytes = file.read(length);
      pushBytes(L, bytes.length === 0 ? undefined : bytes);
    }
    return (L.stack[L.top - 1]!.type & 0x0f) !== tag.nil;
  }
  const text = (format.type & 0x0f) === tag.string ? (format.value.realstring as Uint8Array) : undefined;
  // Before 5.3 formats began with a star, and scripts still write it.
  switch (text?.[text[0] === 0x2a ? 1 : 0]) {
    case pattern.line:
      pushBytes(L, lineOf(file, false));
      break;
    case pattern.lineWithEnd:
      pushBytes(L, lineOf(file, true));
      break;
    case pattern.all:
      pushBytes(L, file.readAll());
      break;
    case pattern.number:
      pushReadNumber(L, file);
      break;
    default:
      bad(L, index, 'read', 'invalid format');
  }
  return (L.stack[L.top - 1]!.type & 0x0f) !== tag.nil;
}

function lineOf(file: ScriptStream, withEnd: boolean): Buffer | undefined {
  const line = file.readLine();
  return line === undefined || withEnd || line.at(-1) !== 0x0a ? line : line.subarray(0, -1);
}

/** Reads as much as can be a numeral, at most 200 characters, and pushes its value or nil. */
function pushReadNumber(L: LuaThread, file: ScriptStream): void {
  let text = '';
  const next = (accepted: RegExp): boolean => {
    const byte = file.peek();
    const character = byte === undefined ? '' : String.fromCharCode(byte);
    if (!accepted.test(character) || text.length >= longestNumber) return false;
    text += character;
    file.read(1);
    return true;
  };
  const digits = (accepted: RegExp): number => {
    let count = 0;
    while (next(accepted)) count++;
    return count;
  };
  for (let byte = file.peek(); byte !== undefined && /\s/.test(String.fromCharCode(byte)); ) {
    file.read(1);
    byte = file.peek();
  }
  next(/^[+-]$/);
  let digit = /^\d$/;
  let exponent = /^[eE]$/;
  let count = 0;
  if (next(/^0$/)) {
    if (next(/^[xX]$/)) [digit, exponent] = [/^[\da-fA-F]$/, /^[pP]$/];
    else count = 1;
  }
  count += digits(digit);
  if (next(/^\.$/)) count += digits(digit);
  if (count > 0 && next(exponent)) {
    next(/^[+-]$/);
    digits(/^\d$/);
  }
  if (fengari().lua.lua_stringtonumber(L, Buffer.from(`${text}\0`)) === 0) pushNil(L);
}

/** Pushes the function that gives what the formats from `first` on read, until there is nothing. */
function pushLines(L: LuaThread, file: ScriptStream, first: number, closes: boolean): number {
  const { TValue } = fengari().lobject;
  // Copies: the VM writes into the values of its registers.
  const given = L.stack.slice(L.ci.funcOff + first, L.top).map(({ type, value }) => new TValue(type, value));
  return pushFunction(L, (L) => {
    if (file.isClosed) raise(L, `${stateOf(L).where(L)}: file is already closed`);
    fengari().lua.lua_settop(L, 0);
    fengari().lua.lua_checkstack(L, 2 * given.length + 1);
    for (const { type, value } of given) push(L, type, value);
    const results = orRaise(L, () => readFormats(L, file, 1));
    if (closes && (L.stack[L.top - results]!.type & 0x0f) === tag.nil) file.close();
    return results;
  });
}

function shown(file: ScriptStream): string {
  return file.isClosed ? 'file (closed)' : `file (${file instanceof StandardStream ? 'standard' : 'open'})`;
}

function fileValue(L: LuaThread, files: Files, file: ScriptStream): TValue {
  const { Udata, TValue } = fengari().lobject;
  const userdata = new Udata(L, 0);
  userdata.metatable = files.metatable;
  userdata.data = file;
  return new TValue(tag.userdata, userdata);
}

function streamOf(value: TValue): ScriptStream | undefined {
  if ((value.type & 0x0f) !== tag.userdata) return undefined;
  const { data } = value.value as Userdata;
  return data instanceof ScriptFile || data instanceof StandardStream ? data : undefined;
}

function anyFileAt(L: LuaThread, index: number, name: string): ScriptStream {
  const file = index <= argumentCount(L) ? streamOf(L.stack[L.ci.funcOff + index]!) : undefined;
  return file ?? bad(L, index, name, 'FILE* expected');
}

function fileAt(L: LuaThread, index: number, name: string): ScriptStream {
  return openOne(L, anyFileAt(L, index, name));
}

function openOne(L: LuaThread, file: ScriptStream): ScriptStream {
  if (file.isClosed) raise(L, `${stateOf(L).where(L)}: attempt to use a closed file`);
  return file;
}

/** What `act` answers; nil, the text and errno when it fails. */
function attempt(L: LuaThread, act: () => number): number {
  const { top } = L;
  try {
    return act();
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    L.top = top;
    return pushNil(L) + pushText(L, error.message) + pushNumber(L, error.errno);
  }
}

function orRaise<T>(L: LuaThread, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    return raise(L, `${stateOf(L).where(L)}: ${error.message}`);
  }
}
