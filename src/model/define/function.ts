import type { MaybePromise } from '../json.ts';
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
  readonly text?: (self: unknown) => string;
  /** Plain value behind indexing, `pairs` and `#`, for config objects. */
  readonly entries?: (self: unknown) => unknown;
}
