import type { Message, QueuedMessage, Shrinking } from '../../model/index.ts';

/** Bodies of messages near delivery stay in memory up to this many bytes per shard; beyond, they are read again. */
const MOST_BYTES = 64 * 1024 * 1024;

/** The messages of a shard that are in memory in full, because delivery is near. */
export class Resident {
  #bytes = 0;
  #count = 0;
  /** Of them, those that only have their metadata in memory. */
  readonly #withoutBody = new Set<QueuedMessage>();

  get count(): number {
    return this.#count;
  }

  get bodies(): number {
    return this.#count - this.#withoutBody.size;
  }

  get isFull(): boolean {
    return this.#bytes > MOST_BYTES;
  }

  /** A message that was made with what is loaded of it. */
  came(message: QueuedMessage): void {
    this.#bytes += message.size;
    this.#count++;
  }

  keep(message: QueuedMessage, loaded: Message): void {
    if (message.loaded === undefined) this.came(message);
    message.loaded = loaded;
  }

  resize(message: QueuedMessage, size: number): void {
    if (message.loaded !== undefined) this.#bytes += size - message.size;
    message.size = size;
  }

  /** Lets go of a message in full; what could not be written stays. */
  drop(message: QueuedMessage): void {
    if (message.loaded === undefined || message.loaded.dirty) return;
    this.#bytes -= message.size;
    this.#count--;
    this.#withoutBody.delete(message);
    message.loaded = undefined;
  }

  shrink(message: QueuedMessage, how: Shrinking): void {
    if (how === 'ShrinkDataAndMeta') this.drop(message);
    else if (how === 'ShrinkData' && message.loaded?.shrink()) this.#withoutBody.add(message);
  }
}
