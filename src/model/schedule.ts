import { parseRfc3339 } from '../protocol/mime/index.ts';
import {
  defineOptions,
  field,
  makeKind,
  type OptionsOf,
  PolicyValueError,
  parseOptions,
  type RichKind,
  refuse,
} from './define/index.ts';
import type { JsonObject } from './json.ts';
import { isTimeZone, localTime, utcOf } from './time-zone.ts';

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const NAMES = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

/** Days of the week, 0 for Sunday. */
function weekdays(): RichKind<ReadonlySet<number>> {
  return makeKind('days of the week', 'string|string[]', (value, at) => {
    const names = typeof value === 'string' ? value.split(/[\s,]+/).filter((name) => name !== '') : value;
    if (!Array.isArray(names) || names.length === 0) return refuse(at, "days such as 'Mon,Tue'", value);
    const days = names.map((name) => {
      const text = String(name).toLowerCase();
      const day = DAYS.includes(text) ? DAYS.indexOf(text) : NAMES.indexOf(text);
      if (day < 0) throw new PolicyValueError(`${at}: '${name}' is no day of the week such as Mon`);
      return day;
    });
    return new Set(days);
  });
}

function zone(): RichKind<string> {
  return makeKind('time zone', 'string', (value, at) => {
    if (typeof value !== 'string') return refuse(at, 'a time zone such as Europe/Berlin', value);
    if (isTimeZone(value)) return value;
    throw new PolicyValueError(`${at}: '${value}' is no time zone such as Europe/Berlin`);
  });
}

/** Seconds since midnight. */
function timeOfDay(): RichKind<number> {
  return makeKind('time of day', 'string', (value, at) => {
    if (typeof value !== 'string') return refuse(at, 'a time such as 09:00:00', value);
    const match = /^([01]\d|2[0-3]):([0-5]\d):([0-5]\d)$/.exec(value);
    if (match === null) throw new PolicyValueError(`${at}: '${value}' is no time such as 09:00:00`);
    return Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3]);
  });
}

/** Milliseconds since the epoch. */
export function rfc3339Time(): RichKind<number> {
  return makeKind('RFC 3339 time', 'string', (value, at) => {
    if (typeof value !== 'string') return refuse(at, 'a time such as 2026-01-01T00:00:00Z', value);
    const time = parseRfc3339(value);
    if (time !== undefined) return time;
    throw new PolicyValueError(`${at}: '${value}' is no time such as 2026-01-01T00:00:00Z`);
  });
}

export const scheduleOptions = defineOptions(
  'message.set_scheduling',
  {
    luaClass: 'table',
    doc: 'When a message may be delivered. dow, tz, start and end go together.',
  },
  {
    dow: field(weekdays(), { doc: "Days on which it may be delivered, such as 'Mon,Wed'." }),
    tz: field(zone(), { doc: 'Time zone of dow, start and end, such as Europe/Berlin.' }),
    start: field(timeOfDay(), { doc: 'Not before this time of the day, HH:MM:SS.' }),
    end: field(timeOfDay(), { doc: 'Not after this time of the day, HH:MM:SS; not before start.' }),
    first_attempt: field(rfc3339Time(), { doc: 'Not before this moment, as RFC 3339 text.' }),
    expires: field(rfc3339Time(), {
      doc: 'From this moment on it is tried no more, in place of max_age. RFC 3339 text.',
    }),
  },
);

type ScheduleOptions = OptionsOf<typeof scheduleOptions>;

/** When a message may be delivered (policy-api.md section 3, set_scheduling). Immutable. */
export class Schedule {
  /** As policy wrote it, for the spool and for policy. */
  readonly written: JsonObject;
  /** Milliseconds since the epoch. */
  readonly expires: number | undefined;
  readonly #firstAttempt: number;
  readonly #window: DailyWindow | undefined;

  /** Throws PolicyValueError when it is no schedule. */
  constructor(written: JsonObject) {
    const options = parseOptions(scheduleOptions, written);
    this.written = written;
    this.expires = options.expires;
    this.#firstAttempt = options.first_attempt ?? Number.NEGATIVE_INFINITY;
    this.#window = windowOf(options);
  }

  /** The first moment from `due` on at which delivery is allowed, both in ms since the epoch. */
  adjust(due: number): number {
    const earliest = Math.max(due, this.#firstAttempt);
    return this.#window === undefined ? earliest : nextInWindow(this.#window, earliest);
  }
}

interface DailyWindow {
  days: ReadonlySet<number>;
  zone: string;
  /** Seconds of the day, both inside. */
  start: number;
  end: number;
}

function windowOf({ dow, tz, start, end }: ScheduleOptions): DailyWindow | undefined {
  if (dow === undefined && tz === undefined && start === undefined && end === undefined) return undefined;
  if (dow === undefined || tz === undefined || start === undefined || end === undefined) {
    throw new PolicyValueError(
      'message.set_scheduling: dow, tz, start and end are given together or not at all',
    );
  }
  if (start > end) throw new PolicyValueError('message.set_scheduling: start is after end');
  return { days: dow, zone: tz, start, end };
}

function nextInWindow({ days, zone, start, end }: DailyWindow, earliest: number): number {
  const { year, month, day, weekday, second } = localTime(zone, earliest);
  if (days.has(weekday) && second >= start && second <= end) return earliest;
  // A window that falls into the hour that a change of the clocks skips is passed over, hence more than a week.
  for (let ahead = second < start ? 0 : 1; ahead <= 15; ahead++) {
    if (!days.has((weekday + ahead) % 7)) continue;
    const moment = utcOf(zone, year, month, day + ahead, start);
    const reached = localTime(zone, moment);
    if (reached.second <= end && days.has(reached.weekday)) return Math.max(moment, earliest);
  }
  return earliest;
}
