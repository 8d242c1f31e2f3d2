import type { JsonObject } from '../../model/index.ts';

/** What becomes the message of each recipient. */
export interface Content {
  /**
   * The message of one recipient, whole. `values`: what templates can name; `to`: the header To, encoded; both are asked
   * for where they are needed. `now` in ms since the epoch. Throws an Error that says why this recipient cannot have one.
   */
  build(values: () => JsonObject, to: () => string, now: number): Buffer;
}
