import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { type Float, keepFloat } from '../../model/index.ts';

export type SqlValue = null | string | number | Uint8Array;
/** For `?` in order, or for `:name` by name. */
export type SqlParameters = readonly SqlValue[] | Readonly<Record<string, SqlValue>>;

/** Rows as lists of columns, or how many rows were changed by a statement without columns. */
export type SqlResult = { columns: readonly string[]; rows: (SqlValue | Float)[][] } | { changed: number };

/** Extended result codes carry the plain one in their low byte. */
const BUSY = 5;
const RETRY_EVERY = 5;

/** One SQLite database. A lock of another process is waited for without holding up the event loop. */
export class SqliteDatabase {
  readonly #database: DatabaseSync;
  readonly #busyTimeout: number;

  /** Opens, and makes when it is missing. `busyTimeout`: milliseconds to wait for a lock. */
  constructor(path: string, busyTimeout: number) {
    this.#database = new DatabaseSync(path, { timeout: 0 });
    this.#busyTimeout = busyTimeout;
  }

  /** Runs one statement. Rejects with the text of SQLite. */
  async execute(sql: string, parameters: SqlParameters): Promise<SqlResult> {
    for (let waited = 0; ; waited += RETRY_EVERY) {
      try {
        return this.#run(sql, parameters);
      } catch (error) {
        const { errcode } = error as { errcode?: number };
        if (errcode === undefined || (errcode & 0xff) !== BUSY || waited >= this.#busyTimeout) throw error;
        await pause(RETRY_EVERY);
      }
    }
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #run(sql: string, parameters: SqlParameters): SqlResult {
    const statement = this.#database.prepare(sql);
    statement.setReadBigInts(true);
    const columns = statement.columns().map(({ name }) => name);
    const list = Array.isArray(parameters) ? (parameters as SqlValue[]).map(bindable) : undefined;
    const named = list === undefined ? namedParameters(parameters as Record<string, SqlValue>) : undefined;
    const all = list ?? [named!];
    if (columns.length === 0) {
      return { changed: Number(statement.run(...(all as SQLInputValue[])).changes) };
    }
    statement.setReturnArrays(true);
    const rows = statement.all(...(all as SQLInputValue[])) as unknown as unknown[][];
    return { columns, rows: rows.map((row) => row.map(readable)) };
  }
}

/** Whole numbers are bound as integers; SQLite would store 5.0 otherwise. */
function bindable(value: SqlValue): SQLInputValue {
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
}

function namedParameters(parameters: Record<string, SqlValue>): Record<string, SQLInputValue> {
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, bindable(value)]));
}

/** REAL stays a float, also where it is whole. */
function readable(value: unknown): SqlValue | Float {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' ? keepFloat(value) : (value as SqlValue);
}
