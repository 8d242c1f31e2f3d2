import { luaNull } from '../../lua/index.ts';
import {
  anyValue,
  boolean,
  makeKind,
  methodsOf,
  optional,
  PolicyValueError,
  string,
} from '../../model/define/index.ts';
import { type Json, type JsonObject, type Message, rfc3339Time, Schedule } from '../../model/index.ts';
import { firstHeader, headerValue, isNamed, removeHeaders } from '../../protocol/mime/index.ts';
import { withData } from './message-data.ts';

const method = methodsOf<Message>();

const dueTime = rfc3339Time();

/** The text with the time it means. */
const dueText = () =>
  makeKind('RFC 3339 time', 'string', (value, at, strict) => ({
    text: value as string,
    time: dueTime.parse(value, at, strict),
  }));

/** Sets or clears the schedule, and moves the due time at once. Answers what policy gets to see. */
function schedule(message: Message, written: Json, now: number): unknown {
  message.schedule = written === null ? undefined : new Schedule(written as JsonObject);
  message.dirty = true;
  message.setDue(message.due, now);
  if (written === null) return luaNull;
  const { first_attempt, expires, ...days } = written as JsonObject;
  return { ...days, first_attempt: first_attempt ?? luaNull, expires: expires ?? luaNull };
}

function parseJson(name: string, text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new PolicyValueError(`${name}: ${(error as Error).message}`);
  }
}

export const schedulingMethods = {
  set_scheduling: method({
    params: { scheduling: optional(anyValue(), null) },
    returns: 'table',
    doc: "When the message may be delivered: {first_attempt, expires (RFC 3339), dow='Mon,Tue', tz, start, ['end'] (HH:MM:SS)}; the last four all or none. nil: at any time. Moves the due time at once. Returns it (NULL for nil).",
    call: (self, { scheduling }, { host }) => schedule(self, scheduling ?? null, host.clock.now()),
  }),
  import_scheduling_header: method({
    params: { name: string(), remove: optional(boolean(), false) },
    returns: 'table',
    doc: 'Takes the scheduling from JSON in the first header of the name, and may remove the header. Returns it, or NULL when there is no such header.',
    call: (self, { name, remove }, { host }) =>
      withData(self, (data) => {
        const field = firstHeader(data, name);
        if (field === undefined) return luaNull;
        const written = schedule(self, parseJson(name, String(headerValue(data, field))), host.clock.now());
        if (remove) self.setData(removeHeaders(data, isNamed(name)));
        return written;
      }),
  }),
  set_due: method({
    params: { due: optional(dueText()) },
    returns: 'string',
    doc: 'When the next attempt is made, as RFC 3339 text; nil for at once. The scheduling moves it on. Returns what was given (NULL for nil).',
    call: (self, { due }, { host }) => {
      self.setDue(due?.time ?? 0, host.clock.now());
      return due?.text ?? luaNull;
    },
  }),
};
