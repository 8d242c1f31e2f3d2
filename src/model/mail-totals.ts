import type { DeliveryEvent } from './log-record.ts';

/** Recipients by month. */
export interface MonthTotals {
  /** Such as `2026-01-01 00:00:00`, of UTC. */
  month: string;
  received: number;
  delivered: number;
}

/** Counts recipients of mail that was received and delivered, each once, whatever logs there are (operations.md 10.2). */
export class MailTotals {
  readonly #now: () => number;
  #counts = new Map<string, MonthTotals>();
  #month = '';
  #monthEnds = 0;

  /** `now` in ms since the epoch. */
  constructor(now: () => number) {
    this.#now = now;
  }

  count({ type, recipients, subject }: DeliveryEvent): void {
    if (type !== 'Reception' && type !== 'Delivery') return;
    if (subject.meta.reception_protocol === 'LogRecord') return;
    const own = 'recipients' in subject ? subject.recipients.length : 1;
    const totals = this.#ofThisMonth();
    if (type === 'Reception') totals.received += recipients?.length ?? own;
    else totals.delivered += recipients?.length ?? own;
  }

  /** What was counted since it was last taken. */
  take(): MonthTotals[] {
    const taken = [...this.#counts.values()];
    this.#counts = new Map();
    return taken;
  }

  /** What could not be kept counts still. */
  add(more: readonly MonthTotals[]): void {
    for (const { month, received, delivered } of more) {
      const totals = this.#of(month);
      totals.received += received;
      totals.delivered += delivered;
    }
  }

  #ofThisMonth(): MonthTotals {
    const now = this.#now();
    if (now >= this.#monthEnds || this.#month === '') {
      const date = new Date(now);
      this.#month = `${date.toISOString().slice(0, 7)}-01 00:00:00`;
      this.#monthEnds = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
    }
    return this.#of(this.#month);
  }

  #of(month: string): MonthTotals {
    let totals = this.#counts.get(month);
    if (totals === undefined) {
      totals = { month, received: 0, delivered: 0 };
      this.#counts.set(month, totals);
    }
    return totals;
  }
}
