import { LRUCache } from 'lru-cache';
import type { Json, MessageDisposition, TraceEvent, TracePayload, TraceSide } from '../model/index.ts';

export interface TraceView {
  side: TraceSide;
  colours: boolean;
  /** Sessions that had begun before are left out. */
  onlyNew: boolean;
  /** All but the first session are left out. */
  onlyOne: boolean;
}

/** What was shown of a session so far. */
interface Shown {
  /** ms */
  since: number;
  /** JSON of every value. */
  meta: Map<string, string>;
}

/** Sessions that are remembered; those that were silent for longest are forgotten first. */
const MAX_SESSIONS = 10_000;

const GREEN = '\x1b[32m';
const CYAN = '\x1b[36m';
const PLAIN = '\x1b[0m';

/** Turns the events of a trace into lines (operations.md 8.1). */
export class TraceLines {
  readonly #view: TraceView;
  readonly #sessions = new LRUCache<string, Shown>({ max: MAX_SESSIONS });
  #one: string | undefined;
  #isOver = false;

  constructor(view: TraceView) {
    this.#view = view;
  }

  /** The one session that was to be shown has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The key of a session when its events are to be shown; undefined when not. */
  wanted({ conn_meta: meta, payload }: TraceEvent): string | undefined {
    const { side, onlyNew, onlyOne } = this.#view;
    if (meta === null) return '';
    // Behind a proxy the addresses change, and it is the same session.
    const from = meta.orig_received_from ?? meta.received_from;
    const via = meta.orig_received_via ?? meta.received_via;
    const key = side === 'server' ? `${from}->${via}` : String(meta.id);
    const isNew = payload === (side === 'server' ? 'Connected' : 'BeginSession');
    if (this.#sessions.has(key)) return key;
    if (onlyOne && this.#one !== undefined && this.#one !== key) return undefined;
    if (onlyNew && !isNew) return undefined;
    this.#one ??= key;
    return key;
  }

  /** Lines without their ends; none for what is not wanted. */
  lines(event: TraceEvent): string[] {
    const key = this.wanted(event);
    if (key === undefined) return [];
    const texts = textsOf(event, this.#view);
    const { conn_meta: meta, when } = event;
    if (meta === null) return texts;
    const known = this.#sessions.get(key);
    const shown = known ?? { since: Date.parse(when), meta: new Map() };
    const delta = known === undefined ? '' : formatElapsed(Date.parse(when) - shown.since);
    texts.push(...metaChanges(shown.meta, meta));
    if (event.payload === 'Closed') {
      this.#sessions.delete(key);
      this.#isOver = this.#view.onlyOne;
    } else this.#sessions.set(key, shown);
    const head = `[${escaped(key)}] ${delta.padStart(5)}`;
    return texts.map((text) => `${head} ${text}`);
  }
}

/** Rounded to the unit that says most. */
export function formatElapsed(ms: number): string {
  if (ms < 1000) return `${Math.max(Math.round(ms), 0)}ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 100) return `${seconds}s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes}m` : `${Math.round(minutes / 60)}h`;
}

function textsOf({ payload, when }: TraceEvent, view: TraceView): string[] {
  if (typeof payload === 'string') return [unitText(payload, when, view.side)];
  if ('Diagnostic' in payload) {
    const { level, message } = payload.Diagnostic;
    return [`=== ${level}: ${escaped(message)}`];
  }
  if ('Callback' in payload) return [callbackText(payload.Callback)];
  if ('MessageDisposition' in payload) return dispositionTexts(payload.MessageDisposition);
  return talkTexts(payload, view);
}

type Unit = Extract<TracePayload, string>;

function unitText(payload: Unit, when: string, side: TraceSide): string {
  const isFirst = payload === (side === 'server' ? 'Connected' : 'BeginSession');
  return isFirst ? `=== ${payload} ${when}` : `=== ${payload}`;
}

function callbackText({ name, result, error }: { name: string; result: Json; error: string | null }): string {
  if (error !== null) return `=== ${escaped(name)}: Error: ${escaped(error)}`;
  return result === null ? `=== ${escaped(name)}: Ok` : `=== ${escaped(name)}: Ok: ${jsonText(result)}`;
}

function dispositionTexts(told: MessageDisposition): string[] {
  const { sender, recipient, id, meta, queue, relay, log_arf, log_oob, was_arf_or_oob, will_enqueue } = told;
  const facts = { queue, relay, log_arf, log_oob, was_arf_or_oob, will_enqueue };
  const to = [recipient].flat().join(', ');
  return [
    `=== Message from=<${escaped(sender)}> to=<${escaped(to)}> id=${escaped(id)}`,
    `=== Message ${Object.entries(facts)
      .map(([name, value]) => `${name}=${escaped(String(value))}`)
      .join(' ')}`,
    ...Object.entries(meta).map(([name, value]) => `=== Message meta: ${escaped(name)}=${jsonText(value)}`),
  ];
}

type Talk = Extract<
  TracePayload,
  { Read: string } | { Write: string } | { AbbreviatedRead: unknown } | { AbbreviatedWrite: unknown }
>;

function talkTexts(payload: Talk, { side, colours }: TraceView): string[] {
  const isRead = 'Read' in payload || 'AbbreviatedRead' in payload;
  const arrow = side === 'server' ? (isRead ? ' -> ' : '<-  ') : isRead ? ' <- ' : '->  ';
  // Who injects is green, who replies is cyan.
  const colour = isRead === (side === 'server') ? GREEN : CYAN;
  const show = (line: string): string => {
    const text = `${arrow}${escaped(line)}`;
    return colours ? `${colour}${text}${PLAIN}` : text;
  };
  if ('Read' in payload) return linesOf(payload.Read).map(show);
  if ('Write' in payload) return linesOf(payload.Write).map(show);
  const [short, what] =
    'AbbreviatedRead' in payload
      ? ([payload.AbbreviatedRead, 'read'] as const)
      : ([payload.AbbreviatedWrite, 'written'] as const);
  return [...linesOf(short.snippet).map(show), `=== bytes ${what}=${short.len}`];
}

function linesOf(text: string): string[] {
  return text.replace(/\r?\n$/, '').split(/\r?\n/);
}

/** Takes what is known now into `shown`; gives what is new about it. */
function metaChanges(shown: Map<string, string>, meta: Record<string, Json>): string[] {
  const texts: string[] = [];
  for (const [name, value] of Object.entries(meta)) {
    const text = jsonText(value);
    if (shown.get(name) === text) continue;
    shown.set(name, text);
    texts.push(`=== conn_meta ${escaped(name)}=${text}`);
  }
  for (const name of [...shown.keys()]) {
    if (Object.hasOwn(meta, name)) continue;
    shown.delete(name);
    texts.push(`=== conn_meta deleted ${escaped(name)}`);
  }
  return texts;
}

function jsonText(value: Json): string {
  return escaped(JSON.stringify(value));
}

/** What would move the cursor, or worse. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

function escaped(text: string): string {
  return text.replace(UNPRINTABLE, (found) => {
    if (found === '\t') return '\\t';
    if (found === '\r') return '\\r';
    if (found === '\n') return '\\n';
    return `\\u{${found.charCodeAt(0).toString(16)}}`;
  });
}
