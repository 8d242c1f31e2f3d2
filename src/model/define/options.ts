import type { Json } from '../json.ts';
import { type Kind, PolicyValueError } from './kind.ts';
import { isJsonView, makeKind, type RichKind, refuse } from './kinds.ts';
import { nearestName } from './nearest.ts';
import { showValue, typeOfValue } from './show-value.ts';

interface FieldNotes {
  doc: string;
  /** First release that knows the option; '0.1.0' when not given. */
  since?: string;
  /** `later`: accepted and checked now, without effect until a later release. Default `now`. */
  effect?: 'now' | 'later';
  /** True for an option of ours that KumoMTA does not have. */
  extension?: boolean;
}

/** One option: its kind, what holds when it is not given, and what to say about it. T is the parsed type. */
export interface Field<T> {
  readonly kind: RichKind<T>;
  /** As a policy would write it; undefined for none. */
  readonly default: unknown;
  readonly required: boolean;
  readonly doc: string;
  readonly since: string;
  readonly effect: 'now' | 'later';
  readonly extension: boolean;
}

/** Declares an option. With a default or `required` it always has a value, otherwise it may be undefined. */
export function field<T>(kind: Kind<T>, notes: FieldNotes & { default: unknown }): Field<T>;
export function field<T>(kind: Kind<T>, notes: FieldNotes & { required: true }): Field<T>;
export function field<T>(kind: Kind<T>, notes: FieldNotes): Field<T | undefined>;
export function field<T>(
  kind: Kind<T>,
  notes: FieldNotes & { default?: unknown; required?: true },
): Field<T> | Field<T | undefined> {
  return {
    kind,
    default: notes.default,
    required: notes.required ?? false,
    doc: notes.doc,
    since: notes.since ?? '0.1.0',
    effect: notes.effect ?? 'now',
    extension: notes.extension ?? false,
  };
}

/** A table of options: what is known about it, in one place. T is what parsing gives. */
export interface OptionsDeclaration<T> {
  /** The Lua function that takes it, or the dotted place of a nested table. */
  readonly owner: string;
  /** Class name for editors, such as `kumo.QueueOptions`. */
  readonly luaClass: string;
  readonly doc: string;
  readonly fields: Readonly<Record<string, Field<unknown>>>;
  /** Only for the type checker. */
  readonly type?: T;
}

/** Type of the parsed options: snake_case keys, defaults applied. */
export type OptionsOf<D> = D extends OptionsDeclaration<infer T> ? T : never;

type FieldTypes<F> = { -readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

export function defineOptions<const F extends Readonly<Record<string, Field<unknown>>>>(
  owner: string,
  about: { luaClass: string; doc: string },
  fields: F,
): OptionsDeclaration<FieldTypes<F>> {
  return { owner, luaClass: about.luaClass, doc: about.doc, fields };
}

/** Options, and the dotted names of those that were given and have no effect yet. */
export interface GivenOptions<T> {
  options: T;
  later: string[];
}

/**
 * Checks and parses a table of options. `at` names it when it is not the only argument.
 * Throws PolicyValueError in the shape that shaping helpers know: `deserialize error: REASON, while processing JSON`.
 */
export function parseOptions<T>(declaration: OptionsDeclaration<T>, value: unknown, at = ''): T {
  try {
    return readOptions(declaration, value, at, true);
  } catch (error) {
    if (!(error instanceof PolicyValueError)) throw error;
    throw new PolicyValueError(
      `${declaration.owner}: deserialize error: ${error.message}, while processing ${showValue(value)}`,
    );
  }
}

/** Dotted names of the options that are given and that this release only accepts. */
export function laterOptions(declaration: OptionsDeclaration<unknown>, source: unknown): string[] {
  const value = isJsonView(source) ? source.asJson() : source;
  if (typeOfValue(value) !== 'table') return [];
  const names: string[] = [];
  for (const [name, given] of Object.entries(value as object)) {
    const option = Object.hasOwn(declaration.fields, name) ? declaration.fields[name] : undefined;
    if (option === undefined || given === undefined || given === null) continue;
    if (option.effect === 'later') names.push(name);
    else for (const inner of option.kind.later?.(given) ?? []) names.push(`${name}${inner}`);
  }
  return names;
}

/** The kind of a function argument that is a table of options. */
export function optionsArgument<T>(declaration: OptionsDeclaration<T>): RichKind<GivenOptions<T>> {
  const parse = (value: unknown) => ({
    options: parseOptions(declaration, value),
    later: laterOptions(declaration, value),
  });
  return makeKind('table of options', declaration.luaClass, parse, { optionsOf: declaration.owner });
}

/** The kind of an option that is itself a table of options; omitted ones take their defaults. */
export function table<T>(declaration: OptionsDeclaration<T>): RichKind<T> {
  return makeKind('table', declaration.luaClass, (value, at) => readOptions(declaration, value, at, true), {
    format: (value) => formatOptions(declaration, value),
    later: (value) => laterOptions(declaration, value).map((name) => `.${name}`),
  });
}

/** As `table`, but only what is given comes out. The declaration is asked for late, so that it may hold itself. */
export function partialTable<T>(
  luaType: string,
  declaration: () => OptionsDeclaration<T>,
): RichKind<Partial<T>> {
  return makeKind('table', luaType, (value, at) => readOptions(declaration(), value, at, false));
}

/** The options as policy reads them back from a config object; what is unset is null. */
export function formatOptions<T>(declaration: OptionsDeclaration<T>, options: T): { [key: string]: Json } {
  const result: { [key: string]: Json } = {};
  for (const [name, option] of Object.entries(declaration.fields)) {
    const value = (options as Record<string, unknown>)[name];
    if (value === undefined) result[name] = null;
    else result[name] = option.kind.format === undefined ? (value as Json) : option.kind.format(value);
  }
  return result;
}

function readOptions<T>(
  declaration: OptionsDeclaration<T>,
  source: unknown,
  at: string,
  complete: boolean,
): T {
  const value = isJsonView(source) ? source.asJson() : source;
  const isEmptyList = Array.isArray(value) && value.length === 0;
  if (typeOfValue(value) !== 'table' && !isEmptyList) return refuse(at || 'options', 'a table', value);
  const prefix = at === '' ? '' : `${at}.`;
  const given = value as Record<string, unknown>;
  const result: Record<string, unknown> = complete ? { ...defaultsOf(declaration) } : {};
  for (const name of Object.keys(given)) {
    const option = Object.hasOwn(declaration.fields, name) ? declaration.fields[name] : undefined;
    if (option === undefined) throw unknownOption(declaration, name, prefix);
    // A config object gives null for what is unset; giving that back is not giving it.
    if (given[name] === undefined || given[name] === null) continue;
    result[name] = option.kind.parse(given[name], `${prefix}${name}`, true);
  }
  if (complete) {
    for (const [name, option] of Object.entries(declaration.fields)) {
      if (option.required && result[name] === undefined) {
        throw new PolicyValueError(`missing field \`${prefix}${name}\``);
      }
    }
  }
  return result as T;
}

/** What is wrong with one option of a table; undefined when nothing is. */
export function checkOption(
  declaration: OptionsDeclaration<unknown>,
  name: string,
  value: unknown,
): { reason: 'unknown' | 'invalid'; message: string; nearest?: string } | undefined {
  const option = Object.hasOwn(declaration.fields, name) ? declaration.fields[name] : undefined;
  if (option === undefined) {
    const nearest = nearestName(name, Object.keys(declaration.fields));
    const message = unknownOption(declaration, name, '').message;
    return { reason: 'unknown', message, ...(nearest !== undefined && { nearest }) };
  }
  try {
    option.kind.parse(value, name, true);
    return undefined;
  } catch (error) {
    if (!(error instanceof PolicyValueError)) throw error;
    return { reason: 'invalid', message: error.message };
  }
}

function unknownOption(
  declaration: OptionsDeclaration<unknown>,
  name: string,
  prefix: string,
): PolicyValueError {
  const known = Object.keys(declaration.fields);
  const near = nearestName(name, known);
  const advice = near === undefined ? `known are ${known.join(', ')}` : `did you mean \`${near}\`?`;
  return new PolicyValueError(`unknown field \`${prefix}${name}\`, ${advice}`);
}

const DEFAULTS = new WeakMap<OptionsDeclaration<unknown>, Record<string, unknown>>();

/** Every option of the declaration, parsed once and frozen, so that configs can share lists. */
function defaultsOf(declaration: OptionsDeclaration<unknown>): Record<string, unknown> {
  let defaults = DEFAULTS.get(declaration);
  if (defaults === undefined) {
    defaults = {};
    for (const [name, { kind, default: written }] of Object.entries(declaration.fields)) {
      defaults[name] = written === undefined ? undefined : deepFreeze(kind.parse(written, name, true));
    }
    DEFAULTS.set(declaration, defaults);
  }
  return defaults;
}

function deepFreeze(value: unknown): unknown {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
