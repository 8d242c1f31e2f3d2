import { luaNull } from '../../lua/index.ts';
import { type DeliveryEvent, LogSelection, type MaybePromise, Message } from '../../model/index.ts';
import type { LogDispositionHookOptions, PerRecordOptions } from '../../model/options/index.ts';
import type { LogHookParts } from './parts.ts';

/** One disposition hook: tells the policy of a record while it is logged, with the message it is about. */
export class DispositionHook {
  readonly #event: string;
  readonly #parts: LogHookParts;
  readonly #selection: LogSelection<PerRecordOptions>;

  constructor({ name, per_record }: LogDispositionHookOptions, parts: LogHookParts) {
    this.#event = `log_disposition_${name}`;
    this.#parts = parts;
    this.#selection = new LogSelection({ meta: [], headers: [], per_record });
  }

  /** Whoever writes the record waits for a handler that waits. The promise does not reject. */
  write(event: DeliveryEvent, now: number): MaybePromise<void> {
    const { policy, nodeId, createdAt, diagnostics } = this.#parts;
    const { subject, type } = event;
    // These two are about no message that could be read (operations.md 12.2).
    if (!(subject instanceof Message) || type === 'OOB') return;
    if (!policy.handles(this.#event) || !this.#selection.enables(type)) return;
    const record = this.#selection.recordOf(event, { now, nodeId, createdAt });
    const result = policy.fire(this.#event, [subject, withNulls(record)]);
    const report = (settled: Awaited<typeof result>): void => {
      if (settled.kind !== 'reject') return;
      diagnostics.error('log-hooks', `${this.#event}: ${settled.code} ${settled.text}`);
    };
    return result instanceof Promise ? result.then(report) : report(result);
  }
}

/** What a record lacks is NULL for the policy, not nil (policy-api.md 1.2). */
function withNulls(value: unknown): unknown {
  if (value === null) return luaNull;
  if (typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(withNulls);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withNulls(inner)]));
}
