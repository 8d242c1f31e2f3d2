import type { AuditLog, AuditRecord } from '../../model/access/index.ts';
import type { AccountingLogOptions } from '../../model/options/index.ts';
import { LineBatches, type LineBatchesParts } from './line-batches.ts';

/** Whatever `back_pressure` says, no more characters than this wait in a shard. */
const MOST_CHARACTERS = 8 * 1024 * 1024;

export interface AuditLinesParts extends LineBatchesParts {
  options: AccountingLogOptions;
  /** Its number among those that write lines. */
  logger: number;
}

/** The shard's side of the audit log: makes lines of those records that are wanted, and passes them on. */
export class AuditLines implements AuditLog {
  readonly #options: AccountingLogOptions;
  readonly #logger: number;
  readonly #batches: LineBatches;

  constructor({ options, logger, clock, send }: AuditLinesParts) {
    this.#options = options;
    this.#logger = logger;
    this.#batches = new LineBatches({ clock, send });
  }

  get isStalled(): boolean {
    const { characters, lines } = this.#batches;
    return lines >= this.#options.back_pressure || characters > MOST_CHARACTERS;
  }

  write(record: AuditRecord): void {
    if (!this.#wants(record)) return;
    this.#batches.add(this.#logger, this.#options.log_dir, '', `${JSON.stringify(record)}\n`);
  }

  /** Passes on what waits; resolves when the writer has it. */
  flush(): Promise<void> {
    return this.#batches.flush();
  }

  #wants(record: AuditRecord): boolean {
    const { log_authn_ok, log_authn_fail, log_authz_allow, log_authz_deny } = this.#options;
    if (record.type === 'Authentication') return record.success ? log_authn_ok : log_authn_fail;
    return record.access === 'Allow' ? log_authz_allow : log_authz_deny;
  }
}
