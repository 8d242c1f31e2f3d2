import type { MaybePromise } from '../json.ts';
import type { PolicyBudget } from '../policy-budget.ts';
import type { PolicyResult } from '../policy-events.ts';
import type { PolicyHost } from '../policy-host.ts';
import type { Kind } from './kind.ts';

/** A function of the policy script, kept by the engine; opaque to everybody else. */
export interface LuaFunction {
  readonly luaFunction: true;
}

/** What a bound function knows about the call besides its arguments. */
export interface CallContext {
  /** What this process or shard offers to policy. */
  readonly host: PolicyHost;
  /** `FILE:LINE` of the calling line of the policy. */
  where(): string;
  /** The event being handled, undefined while the file itself runs. */
  readonly event: string | undefined;
  /** Registers a handler (kumo.on). */
  register(event: string, handler: LuaFunction): void;
  /** Sets what this state's runs may use from now on; false once its policy is loaded. */
  setBudget(options: PolicyBudget): boolean;
  /** Fires an event of this policy, in a Lua state of its own. */
  fire(event: string, args: readonly unknown[]): MaybePromise<PolicyResult>;
  /** Says that policy read a file, so that a change of it counts as one of the policy; or that policy writes it. */
  noteFile(path: string, use?: 'read' | 'written'): void;
  /** The calls of policy in progress, innermost first, without the first `level`. */
  callStack(level: number): CallFrame[];
  /** Where each handler of an event was registered. */
  registrars(event: string): CallFrame[][];
}

/** One call of a Lua stack, in the words of debug.getinfo. */
export interface CallFrame {
  name?: string | undefined;
  what?: string | undefined;
  short_src: string | undefined;
  currentline: number | undefined;
}

/** An error that reaches policy as exactly this text, without the place and name of the bound function. */
export class LuaErrorText extends Error {}

/** What a function of the policy came to. Tables among the values are Maps, with all their keys. */
export type LuaOutcome = { ok: true; values: unknown[] } | { ok: false; message: string };

/**
 * What a bound function returns to have a function of the calling policy called: `settle` gets what that came
 * to, and answers (or raises) in place of the bound function. It is called also when the handler is stopped.
 */
export class LuaCall {
  readonly fn: LuaFunction;
  readonly args: readonly unknown[];
  readonly settle: (outcome: LuaOutcome) => unknown;
  /** Work for many handlers: it may use what loading the policy may, and counts for none of them. */
  readonly isShared: boolean;

  constructor(
    fn: LuaFunction,
    args: readonly unknown[],
    settle: (outcome: LuaOutcome) => unknown,
    isShared = false,
  ) {
    this.fn = fn;
    this.args = args;
    this.settle = settle;
    this.isShared = isShared;
  }
}

export interface Parameter {
  readonly name: string;
  readonly kind: Kind<unknown>;
}

/**
 * One function or method that policy can call. `call` gets its arguments by position, parsed by their kinds,
 * and returns a value for Lua: undefined/null (nil), boolean, number, string, Buffer (bytes), array, plain object, an
 * instance of a bound class, or a promise of one; `Several` for more than one result.
 */
export interface FunctionDeclaration {
  readonly name: string;
  readonly params: readonly Parameter[];
  /** Kind of the further arguments when any number is taken. */
  readonly rest?: Kind<unknown>;
  /** LuaLS type of the result; '' for none. */
  readonly returns: string;
  readonly since: string;
  readonly doc: string;
  /** Methods get the object as first argument. */
  call(args: unknown[], context: CallContext): MaybePromise<unknown>;
}

/** Several results of one call. */
export class Several {
  readonly values: unknown[];
  constructor(values: unknown[]) {
    this.values = values;
  }
}

/** A Lua module. `kumo` is what `require 'kumo'` returns, `kumo.digest` is its field `digest`. */
export interface ModuleDeclaration {
  readonly name: string;
  readonly doc: string;
  readonly functions: readonly FunctionDeclaration[];
  /** Constants such as kumo.version. */
  readonly values?: Readonly<Record<string, string | number | boolean>>;
}

export interface FieldDeclaration {
  readonly name: string;
  readonly luaType: string;
  readonly doc: string;
  get(self: unknown): unknown;
}

// biome-ignore lint/suspicious/noExplicitAny: any constructor will do; only instanceof is asked.
export type BoundClass<T = unknown> = abstract new (...args: any[]) => T;

/** A class of objects that policy can hold, such as message. Instances of `type` become userdata of this class. */
export interface ObjectDeclaration {
  readonly name: string;
  readonly doc: string;
  readonly type: BoundClass;
  readonly methods: readonly FunctionDeclaration[];
  readonly fields?: readonly FieldDeclaration[];
  /** `tostring(object)`. */
  readonly text?: (self: unknown) => string | Buffer;
  /** Plain value behind indexing, `pairs` and `#`, for config objects; `#` of a Map is its size. */
  readonly entries?: (self: unknown) => unknown;
  /** Answers `object[key]` for what is neither field nor method, in place of `entries`. */
  readonly index?: (self: unknown, key: unknown) => unknown;
  /** Takes `object[key] = value`, tables as Maps. Without it assignments are refused. */
  readonly assign?: (self: unknown, key: unknown, value: unknown) => void;
  /** Metamethods of operators by name, such as `__add`; each gets both operands. */
  readonly operators?: Readonly<Partial<Record<Operator, (left: unknown, right: unknown) => unknown>>>;
}

/** `__close` gets the object and the error. */
export type Operator = '__add' | '__sub' | '__eq' | '__lt' | '__le' | '__close';
