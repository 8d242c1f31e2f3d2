import type { LineBatch } from './io/delivery-log/index.ts';
import type { FromShard } from './shard-messages.ts';

/** Log lines on their way from a shard to the writer of the process. */
export class LinePost {
  readonly #post: (message: FromShard) => void;
  readonly #open = new Map<number, () => void>();
  #sent = 0;

  constructor(post: (message: FromShard) => void) {
    this.#post = post;
  }

  /** Resolves when the writer has room for more. */
  send(batches: LineBatch[]): Promise<void> {
    const batch = this.#sent++;
    return new Promise((resolve) => {
      this.#open.set(batch, resolve);
      this.#post({ kind: 'lines', batch, batches });
    });
  }

  /** The writer has room again after the batch with this number. */
  taken(batch: number): void {
    this.#open.get(batch)?.();
    this.#open.delete(batch);
  }
}
