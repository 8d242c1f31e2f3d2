import { SqliteDatabase, type SqlParameters, type SqlResult, type SqlValue } from '../../io/sqlite/index.ts';
import {
  defineFunction,
  defineMethod,
  defineModule,
  defineObject,
  integer,
  methodsOf,
  optional,
  refuse,
  string,
  typeOfValue,
  type UnnamedFunction,
  unchecked,
} from '../../model/define/index.ts';

export const sqliteModule = defineModule(
  'sqlite',
  { doc: "SQLite: `local sqlite = require 'sqlite'`." },
  {
    open: defineFunction({
      params: { path: string(), busy_ms: optional(integer({ min: 0 }), 500) },
      returns: 'sqlite_database',
      doc: 'Opens a database; it is made when it is missing. busy_ms: how long to wait for a lock.',
      call: ({ path, busy_ms }) => new SqliteDatabase(path, busy_ms),
    }),
  },
);

function sqlValue(value: unknown, at: string): SqlValue {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number' || typeof value === 'string' || Buffer.isBuffer(value)) return value;
  return refuse(at, 'nil, a number or a string', value);
}

/** One list is for `?` in order, one table for `:name`, one nil for nothing; else each argument is for one `?`. */
function parametersOf(rest: unknown[]): SqlParameters {
  const [only] = rest;
  if (rest.length === 1 && (only === undefined || only === null)) return [];
  const values = rest.length === 1 && Array.isArray(only) ? (only as unknown[]) : rest;
  if (rest.length === 1 && typeOfValue(only) === 'table') {
    const named = Object.entries(only as object).map(
      ([name, value]) => [name, sqlValue(value, name)] as const,
    );
    return Object.fromEntries(named);
  }
  return values.map((value, index) => sqlValue(value, `parameter ${index + 1}`));
}

function resultForLua(result: SqlResult): unknown {
  if ('changed' in result) return result.changed;
  const { columns, rows } = result;
  if (columns.length === 1) return rows.map(([value]) => value);
  return rows.map((row) => new Map(columns.map((name, index) => [name, row[index]])));
}

const method = methodsOf<SqliteDatabase>();

/** Takes any number of arguments beyond the statement. */
const execute: UnnamedFunction = {
  ...defineMethod({ params: { sql: string() }, doc: '', call: () => undefined }),
  rest: unchecked(),
  returns: 'any',
  doc: 'Runs one statement. Parameters are the further arguments, one list, or one table of names. Answers the number of changed rows, a list of values (one column) or a list of rows.',
  call: async (values) => {
    const [self, sql, ...rest] = values as [SqliteDatabase, string, ...unknown[]];
    return resultForLua(await self.execute(sql, parametersOf(rest)));
  },
};

export const sqliteObject = defineObject(
  'sqlite_database',
  SqliteDatabase,
  { doc: 'An open database.' },
  {
    execute,
    close: method({ doc: 'Closes it.', call: (self) => self.close() }),
  },
);
