import type { MaybePromise } from '../json.ts';
import type {
  BoundClass,
  CallContext,
  FieldDeclaration,
  FunctionDeclaration,
  ModuleDeclaration,
  ObjectDeclaration,
  Parameter,
} from './function.ts';
import type { Kind } from './kind.ts';

type Kinds = Readonly<Record<string, Kind<unknown>>>;
/** The parsed arguments by name. */
type ArgumentsOf<P extends Kinds> = { [K in keyof P]: P[K] extends Kind<infer T> ? T : never };

interface FunctionNotes<P extends Kinds> {
  /** In the order of the call. */
  params?: P;
  /** LuaLS type of the result; '' (the default) for none. */
  returns?: string;
  since?: string;
  doc: string;
}

const NOTHING: unknown[] = [];

/** A function before its module names it. */
export type UnnamedFunction = Omit<FunctionDeclaration, 'name'>;

/** A function of a module. `call` gets the parsed arguments by name; `rest` those beyond, when any are taken. */
export function defineFunction<const P extends Kinds = Record<never, never>>(
  about: FunctionNotes<P> & {
    rest?: Kind<unknown>;
    call(args: ArgumentsOf<P>, context: CallContext, rest: unknown[]): MaybePromise<unknown>;
  },
): UnnamedFunction {
  const params = parameters(about.params);
  return {
    ...notes(about, params),
    ...(about.rest !== undefined && { rest: about.rest }),
    call: (values, context) =>
      about.call(
        byName<P>(params, values, 0),
        context,
        about.rest === undefined ? NOTHING : values.slice(params.length),
      ),
  };
}

/** A method of an object of class S. */
export function defineMethod<S, const P extends Kinds = Record<never, never>>(
  about: FunctionNotes<P> & {
    call(self: S, args: ArgumentsOf<P>, context: CallContext): MaybePromise<unknown>;
  },
): UnnamedFunction {
  const params = parameters(about.params);
  return {
    ...notes(about, params),
    call: (values, context) => about.call(values[0] as S, byName<P>(params, values, 1), context),
  };
}

/** Methods of one class: `const method = methodsOf<Message>()`, so that only S needs to be written. */
export function methodsOf<S>() {
  return <const P extends Kinds = Record<never, never>>(
    about: FunctionNotes<P> & {
      call(self: S, args: ArgumentsOf<P>, context: CallContext): MaybePromise<unknown>;
    },
  ): UnnamedFunction => defineMethod<S, P>(about);
}

function parameters(kinds: Kinds | undefined): Parameter[] {
  return Object.entries(kinds ?? {}).map(([name, kind]) => ({ name, kind }));
}

function notes(
  about: FunctionNotes<Kinds>,
  params: Parameter[],
): Pick<FunctionDeclaration, 'params' | 'returns' | 'since' | 'doc'> {
  return { params, returns: about.returns ?? '', since: about.since ?? '0.1.0', doc: about.doc };
}

function byName<P extends Kinds>(
  params: readonly Parameter[],
  values: unknown[],
  from: number,
): ArgumentsOf<P> {
  const args: Record<string, unknown> = {};
  for (let index = 0; index < params.length; index++) args[params[index]!.name] = values[from + index];
  return args as ArgumentsOf<P>;
}

function named(functions: Readonly<Record<string, UnnamedFunction>>): FunctionDeclaration[] {
  return Object.entries(functions).map(([name, declaration]) => ({ name, ...declaration }));
}

/** A Lua module; its functions get their names from their keys. */
export function defineModule(
  name: string,
  about: { doc: string; values?: ModuleDeclaration['values'] },
  functions: Readonly<Record<string, UnnamedFunction>>,
): ModuleDeclaration {
  return {
    name,
    doc: about.doc,
    functions: named(functions),
    ...(about.values !== undefined && { values: about.values }),
  };
}

/** A class of objects that policy can hold. Plain fields are read on every access. */
export function defineObject<T>(
  name: string,
  type: BoundClass<T>,
  about: {
    doc: string;
    fields?: Readonly<Record<string, { luaType: string; doc: string; get(self: T): unknown }>>;
    text?(self: T): string | Buffer;
    entries?(self: T): unknown;
    index?(self: T, key: unknown): unknown;
    assign?(self: T, key: unknown, value: unknown): void;
    operators?: ObjectDeclaration['operators'];
  },
  methods: Readonly<Record<string, UnnamedFunction>> = {},
): ObjectDeclaration {
  const fields = Object.entries(about.fields ?? {}).map(
    ([fieldName, { luaType, doc, get }]): FieldDeclaration => ({
      name: fieldName,
      luaType,
      doc,
      get: (self) => get(self as T),
    }),
  );
  return {
    name,
    doc: about.doc,
    type,
    methods: named(methods),
    ...(fields.length > 0 && { fields }),
    ...(about.text !== undefined && { text: (self: unknown) => about.text!(self as T) }),
    ...(about.entries !== undefined && { entries: (self: unknown) => about.entries!(self as T) }),
    ...(about.index !== undefined && {
      index: (self: unknown, key: unknown) => about.index!(self as T, key),
    }),
    ...(about.assign !== undefined && {
      assign: (self: unknown, key: unknown, value: unknown) => about.assign!(self as T, key, value),
    }),
    ...(about.operators !== undefined && { operators: about.operators }),
  };
}
