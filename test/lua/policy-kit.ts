import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import {
  createPolicyEngine,
  type EventRules,
  type PolicyEngine,
  type PolicyEngineOptions,
  rejectError,
} from '../../src/lua/index.ts';
import type {
  CallContext,
  FunctionDeclaration,
  LuaFunction,
  ModuleDeclaration,
} from '../../src/model/define/index.ts';
import { type Kind, PolicyValueError } from '../../src/model/define/index.ts';
import type { Diagnostics, DisconnectMode, PolicyHost } from '../../src/model/index.ts';
import { FakeClock } from '../kit/fake-clock.ts';

/** Declarations small enough to test the engine with; the real ones are api/lua's. */

export function kind<T>(name: string, accepts: (value: unknown) => value is T, optional = false): Kind<T> {
  return {
    name,
    luaType: name,
    optional,
    parse(value, at) {
      if (accepts(value)) return value;
      throw new PolicyValueError(`${at}: expected ${name}`);
    },
  };
}

export const any = kind('any', (_value): _value is unknown => true);
export const optionalAny = kind('any', (_value): _value is unknown => true, true);
export const text = kind('string', (value): value is string => typeof value === 'string');
export const number = kind('number', (value): value is number => typeof value === 'number');

export function fn(
  name: string,
  params: Record<string, Kind<unknown>>,
  call: (args: unknown[], context: CallContext) => unknown,
  more: Partial<FunctionDeclaration> = {},
): FunctionDeclaration {
  return {
    name,
    params: Object.entries(params).map(([name, kind]) => ({ name, kind })),
    returns: 'any',
    since: '0.1.0',
    doc: '',
    call,
    ...more,
  };
}

export const noted: unknown[] = [];

/** A promise that the test settles by name: `later 'x'` in Lua, `settle.x(value)` here. */
export const gates = new Map<string, { resolve(value: unknown): void; reject(error: Error): void }>();

export const kumo: ModuleDeclaration = {
  name: 'kumo',
  doc: '',
  values: { answer: 42 },
  functions: [
    fn('on', { event: text, handler: any }, ([event, handler], context) =>
      context.register(event as string, handler as LuaFunction),
    ),
    fn('reject', { code: number, message: text }, ([code, message]) => {
      throw rejectError(code as number, message as string);
    }),
    fn('disconnect', { code: number, message: text, mode: optionalAny }, ([code, message, mode]) => {
      throw rejectError(code as number, message as string, (mode as DisconnectMode) ?? 'ForceDisconnect');
    }),
    fn('note', {}, (args) => void noted.push(...args), { rest: any, returns: '' }),
    fn('echo', { value: optionalAny }, ([value]) => value),
    fn('later', { name: text }, ([name]) => {
      return new Promise((resolve, reject) => gates.set(name as string, { resolve, reject }));
    }),
    fn('soon', { value: optionalAny }, ([value]) => Promise.resolve(value)),
    fn('fails_soon', { text }, ([text]) => Promise.reject(new Error(text as string))),
    fn('breaks', {}, () => {
      throw new Error('out of paper');
    }),
    fn('where', {}, (_args, context) => context.where()),
    fn('event', {}, (_args, context) => context.event),
  ],
};

export const events: EventRules[] = [
  { name: 'init', multiple: false },
  { name: 'smtp_server_message_received', multiple: false },
  { name: 'smtp_server_ehlo', multiple: false },
  { name: 'get_queue_config', multiple: true },
];

export interface Told {
  level: string;
  text: string;
}

export function testHost(clock = new FakeClock()): PolicyHost & { told: Told[] } {
  const told: Told[] = [];
  const tell = (level: string) => (_target: string, text: string) => void told.push({ level, text });
  const diagnostics: Diagnostics = {
    error: tell('error'),
    warn: tell('warn'),
    info: tell('info'),
    debug: tell('debug'),
  };
  const unused = () => {
    throw new Error('not part of these tests');
  };
  return {
    told,
    clock,
    diagnostics,
    validating: false,
    random: () => 0.5,
    throttles: undefined as never,
    resolver: undefined as never,
    declare: unused,
    newMessageId: unused,
    inject: unused,
    once: () => true,
    validationFailed: unused,
  };
}

/** A folder with the given files, gone when the test is. */
export function folder(files: Record<string, string>): string {
  const path = mkdtempSync(join(tmpdir(), 'moonpost-lua-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

export interface Loaded {
  engine: PolicyEngine;
  host: ReturnType<typeof testHost>;
  directory: string;
  printed: string[];
}

/** An engine over `policy` as its policy file, `files` beside it, `helpers/` as its helpers. */
export async function policy(
  source: string,
  options: Partial<PolicyEngineOptions> & { files?: Record<string, string> } = {},
): Promise<Loaded> {
  noted.length = 0;
  gates.clear();
  const directory = folder({ 'policy.lua': `local kumo = require 'kumo'; ${source}`, ...options.files });
  const host = (options.host as ReturnType<typeof testHost> | undefined) ?? testHost();
  const printed: string[] = [];
  const { engine } = await createPolicyEngine({
    file: join(directory, 'policy.lua'),
    modules: [kumo],
    objects: [],
    events,
    helpersDir: join(directory, 'helpers'),
    print: (text) => void printed.push(text),
    ...options,
    host,
  });
  onTestFinished(() => engine.close());
  return { engine, host, directory, printed };
}

/** Runs `source` as the body of a handler and answers what it returned. */
export async function evaluate(
  source: string,
  args: unknown[] = [],
  more: Parameters<typeof policy>[1] = {},
) {
  const { engine } = await policy(`kumo.on('run', function(...) ${source} end)`, more);
  return engine.fire('run', args);
}
