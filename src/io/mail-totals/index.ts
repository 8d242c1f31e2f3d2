import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Clock, type Diagnostics, MailTotals, type MonthTotals, type Timer } from '../../model/index.ts';

/** Where KumoMTA keeps them. */
const KUMOMTA_DIRECTORY = '/var/spool/kumomta';
/** How often they are written, ms. */
const WRITE_EVERY = 30_000;
/** How long the last write waits for others who have the database locked, ms; the others try again instead. */
const LAST_PATIENCE = 2000;

/** The database where policy names none: that of KumoMTA where there is a KumoMTA, else none. */
export function usualTotalsPath(directory = KUMOMTA_DIRECTORY): string | undefined {
  return existsSync(directory) ? `${directory}/accounting.db` : undefined;
}

/**
 * The totals of the process in a database (operations.md 10.2). One that is locked, full or broken is told of once and
 * tried again; mail goes on.
 */
export class TotalsDatabase {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #diagnostics: Diagnostics;
  readonly #pending: MailTotals;
  #isFailing = false;
  #timer: Timer | undefined;

  constructor(path: string, clock: Clock, diagnostics: Diagnostics) {
    this.#path = path;
    this.#clock = clock;
    this.#diagnostics = diagnostics;
    this.#pending = new MailTotals(clock.now);
  }

  /** More for the next write. */
  add(totals: readonly MonthTotals[]): void {
    this.#pending.add(totals);
    this.#timer ??= this.#clock.after(WRITE_EVERY, () => {
      this.#timer = undefined;
      this.#flush(0);
    });
  }

  /** Writes what is left. */
  close(): void {
    this.#timer?.cancel();
    this.#flush(LAST_PATIENCE);
    this.#timer?.cancel();
  }

  #flush(patience: number): void {
    const totals = this.#pending.take();
    if (totals.length === 0) return;
    try {
      this.#write(totals, patience);
      this.#isFailing = false;
    } catch (error) {
      this.add(totals);
      if (!this.#isFailing) {
        const text = `accounting totals: ${this.#path}: ${(error as Error).message}; trying again`;
        this.#diagnostics.error('kumod', text);
      }
      this.#isFailing = true;
    }
  }

  #write(totals: readonly MonthTotals[], patience: number): void {
    mkdirSync(dirname(this.#path), { recursive: true });
    const database = new DatabaseSync(this.#path, { timeout: patience });
    try {
      database.exec(
        'CREATE TABLE IF NOT EXISTS accounting (event_time DATETIME NOT NULL PRIMARY KEY, received INTEGER NOT NULL, delivered INTEGER NOT NULL)',
      );
      database.exec('BEGIN IMMEDIATE');
      const insert = database.prepare(
        'INSERT INTO accounting (event_time, received, delivered) VALUES (?, ?, ?) ON CONFLICT (event_time) DO UPDATE SET received = received + excluded.received, delivered = delivered + excluded.delivered',
      );
      for (const { month, received, delivered } of totals) insert.run(month, received, delivered);
      database.exec('COMMIT');
    } finally {
      // What was begun and not finished is rolled back.
      database.close();
    }
  }
}
