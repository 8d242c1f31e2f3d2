import type { Json, JsonObject, MaybePromise } from './json.ts';
import type { PolicyResult } from './policy-events.ts';

/** Sessions that peers opened with us, or that we opened with them (operations.md 6). */
export type TraceSide = 'server' | 'client';

/** A text of several lines, for those who want it terse: its first line, and how many octets it was. */
export interface AbbreviatedText {
  snippet: string;
  len: number;
}

/** What became of a message that a client sent. */
export type MessageDisposition = {
  relay: boolean;
  log_arf: string;
  log_oob: string;
  queue: string;
  meta: JsonObject;
  sender: string;
  /** A text when there is one. */
  recipient: string | string[];
  id: string;
  was_arf_or_oob: boolean;
  will_enqueue: boolean;
};

/** Names of variants are those of the frames. Read and Write are as we do it, on either side. */
export type TracePayload =
  | 'BeginSession'
  | 'Connected'
  | 'MessageObtained'
  | 'Closed'
  | { Read: string }
  | { AbbreviatedRead: AbbreviatedText }
  | { Write: string }
  | { AbbreviatedWrite: AbbreviatedText }
  | { Diagnostic: { level: 'ERROR' | 'WARN' | 'INFO' | 'DEBUG'; message: string } }
  | { Callback: { name: string; result: Json; error: string | null } }
  | { MessageDisposition: MessageDisposition };

/** One frame. */
export interface TraceEvent {
  /** What is known of the session; null in what is about the trace itself. */
  conn_meta: JsonObject | null;
  payload: TracePayload;
  /** RFC 3339. */
  when: string;
}

/** The first frame of a client. Every list is one of which any may fit. */
export interface TraceRequest {
  source_addr?: readonly string[] | null;
  mx_addr?: readonly string[] | null;
  campaign?: readonly string[] | null;
  tenant?: readonly string[] | null;
  domain?: readonly string[] | null;
  routing_domain?: readonly string[] | null;
  egress_pool?: readonly string[] | null;
  egress_source?: readonly string[] | null;
  mail_from?: readonly string[] | null;
  rcpt_to?: readonly string[] | null;
  mx_host?: readonly string[] | null;
  ready_queue?: readonly string[] | null;
  terse?: boolean | null;
}

/** Where the sessions of one side tell what happens. */
export interface TraceTap {
  /** Somebody looks; all that a session asks while nobody does. */
  readonly isWatched: boolean;
  /**
   * Everything is copied before this returns, without the `secrets` and what else is one. A payload that is costly to
   * make is a function, which is called only when somebody gets it.
   */
  emit(meta: JsonObject, payload: TracePayload | (() => TracePayload), secrets: readonly string[]): void;
}

export const UNWATCHED: TraceTap = { isWatched: false, emit: () => {} };

/** What the rooms after smtp-server tell of a message of its session. */
export interface ReceptionTrace {
  callback(event: string, result: PolicyResult): void;
  disposed(disposition: MessageDisposition): void;
}

/** A trace that somebody watches. */
export interface OpenTrace {
  /** Says what is wanted. What happened since it was opened is sent as far as it fits, then what happens. */
  start(request: TraceRequest): void;
  close(): void;
}

/**
 * Opens a trace of the sessions of every shard. `deliver` takes events, each as the text of its frame; nothing more
 * comes from a shard before it resolves. Rejects when there are too many traces.
 */
export type OpenTraceOf = (
  side: TraceSide,
  deliver: (events: readonly string[]) => MaybePromise<void>,
) => Promise<OpenTrace>;

/** The text as `terse` has it; undefined when it is of one line. */
export function abbreviated(text: string): AbbreviatedText | undefined {
  const end = text.indexOf('\n');
  if (end < 0 || end === text.length - 1) return undefined;
  return { snippet: text.slice(0, end + 1), len: Buffer.byteLength(text) };
}

/** The payload for those who want it terse: of messages only the first line. */
export function terseForm(payload: TracePayload, side: TraceSide): TracePayload {
  if (typeof payload === 'string') return payload;
  if (side === 'server' && 'Read' in payload) {
    const short = abbreviated(payload.Read);
    return short === undefined ? payload : { AbbreviatedRead: short };
  }
  if (side === 'client' && 'Write' in payload) {
    const short = abbreviated(payload.Write);
    return short === undefined ? payload : { AbbreviatedWrite: short };
  }
  return payload;
}
