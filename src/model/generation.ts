import type { Message } from './message.ts';

/** The answer of the injection API (operations.md 4.5). */
export interface InjectionResponse {
  success_count: number;
  fail_count: number;
  failed_recipients: string[];
  errors: string[];
}

/** The injection API, for policy. Both reject when the request is unfit as a whole, or mail is not taken now. */
export interface InjectionPort {
  inject(request: unknown): Promise<InjectionResponse>;
  /** The messages of the request, which are kept nowhere. */
  build(request: unknown): Promise<Message[]>;
}

/** What became of a request that was put off with `deferred_generation`. */
export type GenerationOutcome =
  /** Its messages are taken, those of some recipients perhaps not; `text` says so. */
  | { kind: 'made'; text: string }
  /** There is no message at all, and there will be none. */
  | { kind: 'failed'; text: string }
  /** Messages are missing that can be made later. The request in the message is about those alone by now. */
  | { kind: 'later'; text: string };
