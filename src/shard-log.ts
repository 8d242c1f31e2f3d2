import { declaredHooks, LogHooks, passesLogFilter } from './flow/log-hooks/index.ts';
import { systemClock } from './io/clock/index.ts';
import { type LineBatch, RecordLog } from './io/delivery-log/index.ts';
import { MeteredLog, type Registry } from './io/metrics/index.ts';
import {
  createdAt,
  type DeliveryEvent,
  type DeliveryLog,
  type Diagnostics,
  declaredLoggers,
  type InitDeclaration,
  MailTotals,
  type MaybePromise,
  type Message,
  type MonthTotals,
  type PolicyEvents,
  type Timer,
} from './model/index.ts';

/** What a shard gives to its delivery log. */
export interface ShardLogParts {
  declarations: readonly InitDeclaration[];
  nodeId: string;
  policy: PolicyEvents;
  registry: Registry;
  diagnostics: Diagnostics;
  newMessageId: () => string;
  /** Hands lines to the writer of the process; resolves when it has room for more. */
  send: (batches: LineBatch[]) => Promise<void>;
  /** Adds to the totals of the process. */
  account: (totals: MonthTotals[]) => Promise<void>;
  /** Puts a message that carries a record into the spool and its queue. */
  enqueue: (message: Message, isDeferred: boolean) => Promise<void>;
}

/** How often the totals of the process are told of, ms. */
const ACCOUNT_EVERY = 10_000;

/** The delivery log of a shard: an event is counted, then goes to the local logs, then to the log hooks. */
export class ShardLog implements DeliveryLog {
  readonly #records: RecordLog;
  readonly #metered: MeteredLog;
  readonly #hooks: LogHooks;
  readonly #totals = new MailTotals(systemClock.now);
  readonly #account: ShardLogParts['account'];
  #accounting: Timer | undefined;

  constructor(parts: ShardLogParts) {
    const { declarations, policy, registry } = parts;
    const shared = { ...parts, clock: systemClock, createdAt };
    this.#records = new RecordLog({
      ...shared,
      loggers: declaredLoggers(declarations),
      filter: (event, message) => passesLogFilter(policy, event, message),
      onFull: (logger) => registry.series('log_submit_full', logger).add(),
    });
    this.#metered = new MeteredLog(this.#records, registry);
    this.#hooks = new LogHooks({
      ...shared,
      log: this.#metered,
      onBacklog: (hook) => registry.series('log_hook_backlog_count', hook).add(),
    });
    this.#account = parts.account;
    this.configureHooks(declarations);
  }

  /** Replaces the log hooks by those declared here. */
  configureHooks(declarations: readonly InitDeclaration[]): void {
    this.#hooks.configure(declaredHooks(declarations));
  }

  write(event: DeliveryEvent): MaybePromise<void> {
    this.#totals.count(event);
    this.#accounting ??= systemClock.after(ACCOUNT_EVERY, this.#accountNow);
    return this.#hooks.write(event);
  }

  readonly #accountNow = (): void => {
    this.#accounting = undefined;
    const totals = this.#totals.take();
    // The coordinator always answers, or the process ends.
    if (totals.length > 0) void this.#account(totals);
  };

  /** Queues pause while a hook is full; see LogHooks. */
  get isStalled(): boolean {
    return this.#hooks.isStalled;
  }

  /** No mail should be taken, because its records could not be. */
  get refusesMail(): boolean {
    return this.#records.isStalled || this.#hooks.isStalled || this.#hooks.hasUnkept;
  }

  /** Forgets what was counted for a ready queue. */
  forget(readyQueue: string): void {
    this.#metered.forget(readyQueue);
  }

  /** Resolves when the spool has every record that hooks took, and the writer all lines. For the end. */
  async finish(): Promise<void> {
    await this.#hooks.idle();
    await this.#records.flush();
    this.#accounting?.cancel();
    await this.#account(this.#totals.take());
  }
}
