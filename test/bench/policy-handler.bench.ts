/**
 * Cost of one policy handler: ten method calls on a message, string work, and an options table with a list that
 * JavaScript reads. Prints microseconds per call on fengari as published with a textbook binding, and on our VM
 * with our bindings, coroutine and pool included. Run: node test/bench/policy-handler.bench.ts
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPolicyEngine } from '../../src/lua/index.ts';
import { loadVm } from '../../src/lua/vm.ts';
import type { FunctionDeclaration, Kind } from '../../src/model/define/index.ts';
import type { PolicyHost, PolicyResult } from '../../src/model/index.ts';

const source = `
local function handler(msg)
  local sender = msg:sender()
  local domain = sender:match('@(.+)$'):lower()
  if msg:get_meta('received_via') == 'smtp' and msg:get_first('Subject') ~= '' then
    msg:set_meta('tenant', domain)
    msg:set_meta('campaign', 'spring')
  end
  local key = string.format('%s:%s', msg:get_meta('tenant'), msg:recipient():lower())
  msg:set_meta('queue', domain .. '!' .. key)
  msg:set_meta('size', msg:size())
  return {
    retry_interval = '20m', max_retry_interval = '8h', max_age = '2 days', egress_pool = 'pool-' .. domain,
    protocol = 'smtp', strategy = 'TimerWheel', max_message_rate = '100/s', tenant = domain, priority = 3,
    reap = true, mx_list = { 'mx1', 'mx2', 'mx3', 'mx4', 'mx5' },
  }
end
`;

class BenchMessage {
  readonly meta = new Map<string, unknown>([['received_via', 'smtp']]);
  readonly methods: Record<string, (...args: never[]) => unknown> = {
    sender: () => 'user@Example.COM',
    recipient: () => 'Someone@example.net',
    size: () => 10240,
    get_meta: (name: string) => this.meta.get(name),
    set_meta: (name: string, value: unknown) => void this.meta.set(name, value),
    get_first: () => 'Hello',
  };
}
const methodNames = ['sender', 'recipient', 'size', 'get_meta', 'set_meta', 'get_first'];

/** Microseconds per call of each row: the best of nine rounds, taken in turn since the machine is shared. */
function measure(calls: readonly (() => void)[]): number[] {
  const best = calls.map(() => Number.POSITIVE_INFINITY);
  for (const call of calls) for (let i = 0; i < 5_000; i++) call();
  for (let round = 0; round < 9; round++) {
    calls.forEach((call, row) => {
      const start = performance.now();
      for (let i = 0; i < 5_000; i++) call();
      best[row] = Math.min(best[row]!, (performance.now() - start) / 5);
    });
  }
  return best;
}

/** The binding that fengari's manual teaches. */
function textbook(patched: boolean): () => void {
  // biome-ignore lint/suspicious/noExplicitAny: the whole API of fengari, for the baseline only.
  const fengari = loadVm({ patched }).require('./fengari.js') as any;
  const { lua, lauxlib, lualib, to_luastring } = fengari;
  const L = lauxlib.luaL_newstate();
  lualib.luaL_openlibs(L);
  lauxlib.luaL_newmetatable(L, to_luastring('message'));
  lua.lua_newtable(L);
  for (const name of methodNames) {
    lua.lua_pushcfunction(L, (L: unknown) => textbookCall(fengari, L, name));
    lua.lua_setfield(L, -2, to_luastring(name));
  }
  lua.lua_setfield(L, -2, to_luastring('__index'));
  lua.lua_settop(L, 0);
  if (lauxlib.luaL_dostring(L, to_luastring(`${source} return handler`)) !== 0)
    throw new Error('does not load');
  const ref = lauxlib.luaL_ref(L, lua.LUA_REGISTRYINDEX);
  const message = new BenchMessage();
  return () => {
    lua.lua_rawgeti(L, lua.LUA_REGISTRYINDEX, ref);
    lua.lua_newuserdata(L, 0).message = message;
    lauxlib.luaL_setmetatable(L, to_luastring('message'));
    if (lua.lua_pcall(L, 1, 1, 0) !== 0) throw new Error(lua.lua_tojsstring(L, -1));
    check(textbookTable(fengari, L) as Options);
    lua.lua_settop(L, 0);
  };
}

// biome-ignore lint/suspicious/noExplicitAny: as above.
function textbookCall({ lua, lauxlib, to_luastring }: any, L: unknown, name: string): number {
  const { message } = lauxlib.luaL_checkudata(L, 1, to_luastring('message')) as { message: BenchMessage };
  const args: unknown[] = [];
  for (let i = 2; i <= lua.lua_gettop(L); i++) {
    args.push(lua.lua_type(L, i) === lua.LUA_TNUMBER ? lua.lua_tonumber(L, i) : lua.lua_tojsstring(L, i));
  }
  const result = (message.methods[name] as (...args: unknown[]) => unknown)(...args);
  if (typeof result === 'number') lua.lua_pushinteger(L, result);
  else if (typeof result === 'string') lua.lua_pushstring(L, to_luastring(result));
  else return 0;
  return 1;
}

// biome-ignore lint/suspicious/noExplicitAny: as above.
function textbookTable(fengari: any, L: unknown): unknown {
  const { lua } = fengari;
  const list: unknown[] = [];
  const object: Record<string, unknown> = {};
  lua.lua_pushnil(L);
  while (lua.lua_next(L, -2)) {
    let value: unknown;
    if (lua.lua_istable(L, -1)) value = textbookTable(fengari, L);
    else if (lua.lua_type(L, -1) === lua.LUA_TSTRING) value = lua.lua_tojsstring(L, -1);
    else if (lua.lua_type(L, -1) === lua.LUA_TNUMBER) value = lua.lua_tonumber(L, -1);
    else value = lua.lua_toboolean(L, -1);
    if (lua.lua_type(L, -2) === lua.LUA_TNUMBER) list[lua.lua_tonumber(L, -2) - 1] = value;
    else object[lua.lua_tojsstring(L, -2)] = value;
    lua.lua_pop(L, 1);
  }
  return list.length > 0 ? list : object;
}

interface Options {
  egress_pool: string;
  mx_list: string[];
}

function check(options: Options): void {
  if (options.egress_pool !== 'pool-example.com' || options.mx_list.length !== 5)
    throw new Error('wrong result');
}

async function ours(directory: string): Promise<() => void> {
  const file = join(directory, 'policy.lua');
  writeFileSync(file, `local kumo = require 'kumo' ${source} kumo.on('init', handler)`);
  const any: Kind<unknown> = { name: 'any', luaType: 'any', optional: true, parse: (value) => value };
  const declare = (name: string, call: FunctionDeclaration['call']): FunctionDeclaration => ({
    name,
    params: [],
    rest: any,
    returns: 'any',
    since: '0.1.0',
    doc: '',
    call,
  });
  const methods = methodNames.map((name) =>
    declare(name, ([self, ...args]) => {
      const method = (self as BenchMessage).methods[name] as (...args: unknown[]) => unknown;
      return method(...args);
    }),
  );
  const on = declare('on', ([event, handler], context) =>
    context.register(event as string, handler as never),
  );
  const { engine } = await createPolicyEngine({
    file,
    modules: [{ name: 'kumo', doc: '', functions: [on] }],
    objects: [{ name: 'message', doc: '', type: BenchMessage, methods }],
    events: [{ name: 'init', multiple: false }],
    host: {
      clock: { now: Date.now, monotonic: () => performance.now() },
      diagnostics: console,
      validating: false,
    } as unknown as PolicyHost,
    helpersDir: directory,
  });
  const message = new BenchMessage();
  return () => {
    const result = engine.fire('init', [message]) as PolicyResult;
    if (result.kind !== 'values') throw new Error(JSON.stringify(result));
    check(result.values[0] as Options);
  };
}

const directory = mkdtempSync(join(tmpdir(), 'moonpost-bench-'));
const rows: [string, () => void][] = [
  ['stock VM, textbook binding', textbook(false)],
  ['patched VM, textbook binding', textbook(true)],
  ['patched VM, our engine', await ours(directory)],
];
const costs = measure(rows.map(([, call]) => call));
rows.forEach(([name], row) => {
  const ratio = (costs[row]! / costs[0]!).toFixed(2);
  console.log(`${name.padEnd(30)} ${costs[row]!.toFixed(1).padStart(6)} us/call   ratio ${ratio}`);
});
rmSync(directory, { recursive: true });
