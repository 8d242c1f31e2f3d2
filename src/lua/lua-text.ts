import { isAscii, isUtf8 } from 'node:buffer';
import type { TString } from './fengari.ts';
import { fengari } from './vm.ts';

/** Lua strings are bytes; JavaScript sees a string where they are valid UTF-8, else a Buffer. */

const shortString = 24;
const longestMemo = 4096;
const longestShared = 128;
const sharedLimit = 4096;

/** The JavaScript value of a Lua string, remembered on it unless it is long. */
export function textOf(string: TString): string | Buffer {
  if (string.js !== undefined) return string.js;
  const bytes = string.realstring;
  const text = bytes.length <= shortString ? shortText(bytes) : longText(bytes);
  if (bytes.length <= longestMemo && typeof text === 'string') string.js = text;
  return text;
}

function shortText(bytes: Uint8Array): string | Buffer {
  let text = '';
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte >= 0x80) return longText(bytes);
    text += String.fromCharCode(byte);
  }
  return text;
}

function longText(bytes: Uint8Array): string | Buffer {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (isAscii(buffer)) return buffer.toString('latin1');
  // The bytes of a Lua string never change; whoever gets the Buffer may change his own copy.
  return isUtf8(buffer) ? buffer.toString('utf8') : Buffer.from(buffer);
}

// Two generations make a cheap LRU: what was not asked for since the last swap is dropped.
let young = new Map<string, TString>();
let old = new Map<string, TString>();

/** The Lua string of a JavaScript string as UTF-8. Short ones are shared between states. */
export function luaString(text: string): TString {
  if (text.length > longestShared) return makeString(encode(text));
  const known = young.get(text);
  if (known !== undefined) return known;
  let string = old.get(text);
  if (string === undefined) {
    string = makeString(encode(text));
    if (text.isWellFormed()) string.js = text;
  }
  if (young.size >= sharedLimit) {
    old = young;
    young = new Map();
  }
  young.set(text, string);
  return string;
}

/** A Lua string that takes over `bytes`. */
export function makeString(bytes: Uint8Array): TString {
  return new (fengari().lstring.TString)(null, bytes);
}

function encode(text: string): Uint8Array {
  const length = text.length;
  if (length > shortString) return new Uint8Array(Buffer.from(text, 'utf8'));
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) return new Uint8Array(Buffer.from(text, 'utf8'));
    bytes[i] = code;
  }
  return bytes;
}
