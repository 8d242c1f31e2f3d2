import { formatDuration } from './duration.ts';
import type { ExplainFacts, MessageFacts, Obstacle } from './explanation.ts';
import { count } from './explanation-obstacles.ts';
import { NULL_QUEUE } from './queue-name.ts';
import { retryDelay } from './retry-schedule.ts';

/** Attempts that are foretold. */
const MOST_ATTEMPTS = 5;
/** What is over so soon after the due time, ms, is over in time: a due time is set to just when a rate lets go. */
const SLACK = 1000;

/** `2026-05-04 10:20:30 UTC (in 5m)`; a time that is over is told as so long ago. */
export function atTime(time: number, now: number): string {
  const text = new Date(time).toISOString();
  const at = `${text.slice(0, 10)} ${text.slice(11, 19)} UTC`;
  const wait = time - now;
  return wait >= 0 ? `${at} (in ${about(wait)})` : `${at} (${about(-wait)} ago)`;
}

/** A duration in its two largest units or so, such as `2days 3h`. */
function about(duration: number): string {
  const unit = duration >= DAY ? HOUR : duration >= HOUR ? MINUTE : SECOND;
  return formatDuration(Math.round(duration / unit) * unit);
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `(from FILE:LINE:COLUMN [section])`. */
export function fromText(origin: string): string {
  return origin === 'built-in default' ? '(default)' : `(from ${origin})`;
}

/** When the message is given up, ms since the epoch. */
export function expiryOf(facts: ExplainFacts): number | undefined {
  const { message, queue } = facts;
  if (message === undefined) return undefined;
  if (message.expires !== undefined) return message.expires;
  return queue.retry === undefined ? undefined : message.created + queue.retry.max_age;
}

/** The attempts after the one that is next, should every one of them fail, and whether the message is given up then. */
export function laterAttempts(facts: ExplainFacts): { times: number[]; isLast: boolean } {
  const { message, queue, now } = facts;
  const expiry = expiryOf(facts);
  if (message === undefined || queue.retry === undefined || expiry === undefined) {
    return { times: [], isLast: false };
  }
  const times: number[] = [];
  let at = Math.max(message.due, now);
  for (let attempts = message.attempts; times.length < MOST_ATTEMPTS; attempts++) {
    // Without jitter: in the middle of where it may be.
    at += retryDelay(queue.retry, attempts, 0.5);
    const isTooLate = message.expires === undefined ? at > expiry : at >= expiry;
    if (isTooLate) return { times, isLast: true };
    times.push(at);
  }
  return { times, isLast: false };
}

/** What happens next, and when. */
export function outlookOf(facts: ExplainFacts, obstacles: readonly Obstacle[]): string {
  const { message } = facts;
  if (message === undefined) return withoutMessage(facts, obstacles);
  const sentences = [ofPlace(facts, message, obstacles), ofTheEnd(facts, obstacles)];
  return sentences.filter((sentence) => sentence !== '').join(' ');
}

function ofPlace(facts: ExplainFacts, message: MessageFacts, obstacles: readonly Obstacle[]): string {
  const { now } = facts;
  const bounce = obstacles.find(({ effect }) => effect === 'bounces');
  const { place, due, attempts } = message;
  switch (place.kind) {
    case 'scheduled': {
      const after = attempts === 0 ? 'for the first time' : `after ${count(attempts, 'attempt')}`;
      const next = `It is tried next at ${atTime(due, now)}, ${after}`;
      if (bounce !== undefined) return `${next}, and bounces then: ${told(bounce, now)}.`;
      const still = obstacles.find(({ clears }) => clears === undefined || clears > due + SLACK);
      if (still !== undefined)
        return `${next}; unless it ends before, this holds it up then: ${told(still, now)}.`;
      const [first] = obstacles;
      return first === undefined
        ? `${next}.`
        : `${next}; what holds it up now is over by then: ${told(first, now)}.`;
    }
    case 'line': {
      const [first] = obstacles;
      const where = `It is due and waits in its queue${behind(place.ahead)}`;
      return first === undefined ? `${where}; it goes on at once.` : `${where}: ${told(first, now)}.`;
    }
    case 'ready': {
      const [first] = obstacles;
      const where = `It waits in ready queue ${place.queue}${behind(place.ahead)}`;
      return first === undefined ? `${where} for the next connection.` : `${where}: ${told(first, now)}.`;
    }
    case 'hand': {
      const [first] = obstacles;
      const where = 'A connection has it in hand, or it is just moving on';
      return first === undefined ? `${where}.` : `${where}; what could hold it up: ${told(first, now)}.`;
    }
  }
}

function behind(ahead: number | undefined): string {
  if (ahead === undefined) return ' far behind others';
  return ahead === 0 ? ' as the first' : ` behind ${count(ahead, 'other')}`;
}

/** When it is over, if it soon is. */
function ofTheEnd(facts: ExplainFacts, obstacles: readonly Obstacle[]): string {
  const expiry = expiryOf(facts);
  if (expiry === undefined || obstacles.some(({ effect }) => effect === 'bounces')) return '';
  const { message, now } = facts;
  const { times, isLast } = laterAttempts(facts);
  if (expiry <= Math.max(now, message!.due)) return `It has expired by then (${atTime(expiry, now)}).`;
  if (!isLast || times.length > 0) return '';
  return `That is its last attempt: if it fails, the next would be after it expires at ${atTime(expiry, now)}.`;
}

function withoutMessage({ now, queue }: ExplainFacts, obstacles: readonly Obstacle[]): string {
  const [first] = obstacles;
  if (queue.name === NULL_QUEUE) return 'A message for queue null is dropped.';
  if (first === undefined) {
    return `A new message for queue ${queue.name} is tried at once: nothing holds it back.${ofThoseInIt(queue.size)}`;
  }
  const verb = { fails: 'is put off', waits: 'waits', bounces: 'bounces' }[first.effect];
  return `A message for queue ${queue.name} ${verb}: ${told(first, now)}.`;
}

/** Their attempts may have failed: what holds up one that waits is its own due time. */
function ofThoseInIt(size: number): string {
  if (size === 0) return ' The queue has no messages now.';
  const those = size === 1 ? 'The message that is' : `The ${count(size, 'message')} that are`;
  return ` ${those} in it may be waiting for another attempt: inspect-sched-q lists them, explain ID says what happened to each.`;
}

/** An obstacle with its end and its place. */
export function told({ what, clears, ends, origin }: Obstacle, now: number): string {
  const until = clears === undefined ? ends : `until ${atTime(clears, now)}`;
  const parts = [what, origin === undefined ? undefined : fromText(origin)];
  const text = parts.filter((part) => part !== undefined).join(' ');
  if (until === undefined) return text;
  return clears === undefined ? `${text}; it ends ${until}` : `${text} ${until}`;
}
