import type { DeliveryEvent, DeliveryLog, MaybePromise } from '../../model/index.ts';
import { DispositionHook } from './disposition-hook.ts';
import { LogHook } from './log-hook.ts';
import type { ConfiguredHooks, LogHookParts } from './parts.ts';

/**
 * The delivery log with the hooks of the policy behind it: every record goes to the local logs, then to each log
 * hook, then to each disposition hook. Records about messages that carry records end at the local logs, so that
 * hooks never feed themselves.
 */
export class LogHooks implements DeliveryLog {
  readonly #parts: LogHookParts;
  #hooks: readonly LogHook[] = [];
  #dispositions: readonly DispositionHook[] = [];
  /** Hooks that are configured no more and still have records on their way. */
  readonly #leaving = new Set<LogHook>();

  constructor(parts: LogHookParts) {
    this.#parts = parts;
  }

  /** Replaces all hooks at once. Records that a former hook has taken go their way as it was configured. */
  configure({ hooks, dispositionHooks }: ConfiguredHooks): void {
    for (const hook of this.#hooks) {
      if (hook.isEmpty) continue;
      this.#leaving.add(hook);
      void hook.emptied().then(() => this.#leaving.delete(hook));
    }
    this.#hooks = hooks.map((options) => new LogHook(options, this.#parts));
    this.#dispositions = dispositionHooks.map((options) => new DispositionHook(options, this.#parts));
  }

  /** A hook is full: nothing that makes records should go on until it is not. */
  get isStalled(): boolean {
    return this.#hooks.some((hook) => hook.isFull);
  }

  /**
   * The disk does not take records: no mail should be taken. Queues go on, because what they deliver makes room on
   * the disk.
   */
  get hasUnkept(): boolean {
    return this.#hooks.some((hook) => hook.hasUnkept);
  }

  write(event: DeliveryEvent): MaybePromise<void> {
    const logged = this.#parts.log.write(event);
    if (this.#hooks.length === 0 && this.#dispositions.length === 0) return logged;
    if (event.subject.meta.reception_protocol === 'LogRecord') return logged;
    const now = this.#parts.clock.now();
    let waiting: MaybePromise<void> = logged;
    for (const hook of this.#hooks) waiting = both(waiting, hook.write(event, now));
    for (const hook of this.#dispositions) waiting = both(waiting, hook.write(event, now));
    return waiting;
  }

  /** Resolves when every record is dropped or in the spool. Nothing may be written after that. */
  async idle(): Promise<void> {
    await Promise.all([...this.#leaving, ...this.#hooks].map((hook) => hook.idle()));
  }
}

function both(one: MaybePromise<void>, other: MaybePromise<void>): MaybePromise<void> {
  if (!(one instanceof Promise)) return other;
  if (!(other instanceof Promise)) return one;
  return Promise.all([one, other]).then(() => {});
}
