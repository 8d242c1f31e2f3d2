/**
 * A kind of value at the policy boundary: how it is checked, and how it is called in editors and docs.
 * Kinds are made by the functions of kinds.ts (`string()`, `duration()`, `list(string())` ...).
 */
export interface Kind<T> {
  /** Name in the reference pages, such as `duration`. */
  readonly name: string;
  /** Type for LuaLS, such as `number|string`. */
  readonly luaType: string;
  /** Not given (nil) is fine; `parse` is then not called and the default applies. */
  readonly optional: boolean;
  /** What a policy gets when it gives nothing, as it would write it. */
  readonly default?: unknown;
  /** Tables are to come as Maps with all their keys, where otherwise a list loses its names. */
  readonly exact?: boolean;
  /**
   * Strings are to come as Buffers, whatever is in them: decoding long ones takes time. They are the memory of the Lua
   * string, which never changes: whoever gets one may keep it, and must not write into it.
   */
  readonly raw?: boolean;
  /**
   * Turns a value that came out of Lua (string | Buffer for non-UTF-8 | number | boolean | undefined | null |
   * array | plain object | instance of a bound class | LuaFunction) into T.
   * Throws PolicyValueError, with `at` (`relay_hosts[2]`) in its text.
   * `strict`: option tables take no number for a string or the reverse; arguments do (policy-api.md 1.2).
   */
  parse(value: unknown, at: string, strict: boolean): T;
}

/** A value that policy gave and that cannot be used. The engine adds the operator's file and line. */
export class PolicyValueError extends Error {}
