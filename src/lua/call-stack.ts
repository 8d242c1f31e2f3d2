import type { CallFrame } from '../model/define/index.ts';
import type { LuaThread } from './fengari.ts';
import { fengari } from './vm.ts';

const mostFrames = 100;
const whatToAsk = Buffer.from('nSl');

/** The calls in progress, innermost first, without the first `level`. */
export function callStack(L: LuaThread, level: number): CallFrame[] {
  const { lua } = fengari();
  const frames: CallFrame[] = [];
  const record = new lua.lua_Debug() as InstanceType<typeof lua.lua_Debug> & {
    name?: Uint8Array | null;
    what?: Uint8Array;
  };
  for (let at = level; frames.length < mostFrames && lua.lua_getstack(L, at, record); at++) {
    lua.lua_getinfo(L, whatToAsk, record);
    const text = (bytes: Uint8Array | null | undefined) =>
      bytes ? Buffer.from(bytes).toString().replace(/\0.*$/s, '') : undefined;
    frames.push({
      name: text(record.name),
      what: text(record.what),
      short_src: text(record.short_src),
      currentline: record.currentline > 0 ? record.currentline : undefined,
    });
  }
  return frames;
}
