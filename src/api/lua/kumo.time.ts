import { formatDate as formatTime } from '../../lua/index.ts';
import {
  defineFunction,
  defineModule,
  defineObject,
  duration,
  integer,
  methodsOf,
  number,
  string,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import { type Float, formatDuration, keepFloat, type PolicyHost, TimeDelta } from '../../model/index.ts';
import { formatDate, parseDate } from '../../protocol/mime/index.ts';

/** A moment; `now` tells the present for `elapsed`. */
export class Time {
  readonly milliseconds: number;
  readonly now: () => number;

  constructor(milliseconds: number, now: () => number) {
    this.milliseconds = milliseconds;
    this.now = now;
  }

  get date(): Date {
    return new Date(this.milliseconds);
  }

  /** RFC 3339 without fractions. */
  get rfc3339(): string {
    return this.date.toISOString().replace(/\.\d+Z$/, '+00:00');
  }
}

/** Resolves after `seconds`. */
export function sleep(host: PolicyHost, seconds: number): Promise<void> {
  if (!(seconds >= 0 && Number.isFinite(seconds))) throw new Error(`cannot sleep ${seconds} seconds`);
  return new Promise((resolve) => {
    host.clock.after(seconds * 1000, resolve);
  });
}

export const timeFunctions = {
  now: defineFunction({
    returns: 'time',
    doc: 'The present moment.',
    call: (_, { host }) => new Time(host.clock.now(), () => host.clock.now()),
  }),
  sleep: defineFunction({
    params: { seconds: number() },
    doc: 'Waits without holding up anything else. Fractions count.',
    call: ({ seconds }, { host }) => sleep(host, seconds),
  }),
  from_unix_timestamp: defineFunction({
    params: { seconds: number() },
    returns: 'time',
    doc: 'The moment so many seconds after 1970 began.',
    call: ({ seconds }, { host }) => timeAt(seconds * 1000, String(seconds), host),
  }),
  parse_rfc3339: defineFunction({
    params: { text: string() },
    returns: 'time',
    doc: 'The moment of a text such as 2026-01-01T00:00:00Z.',
    call: ({ text }, { host }) => timeAt(RFC_3339.test(text) ? Date.parse(text) : Number.NaN, text, host),
  }),
  parse_rfc2822: defineFunction({
    params: { text: string() },
    returns: 'time',
    doc: 'The moment of a Date header.',
    call: ({ text }, { host }) => timeAt(parseDate(text) ?? Number.NaN, text, host),
  }),
  with_ymd_hms: defineFunction({
    params: {
      year: integer(),
      month: integer({ min: 1, max: 12 }),
      day: integer({ min: 1, max: 31 }),
      hour: integer({ min: 0, max: 23 }),
      minute: integer({ min: 0, max: 59 }),
      second: integer({ min: 0, max: 59 }),
    },
    returns: 'time',
    doc: 'A moment by its calendar, in UTC. A day that the month does not have is an error.',
    call: ({ year, month, day, hour, minute, second }, { host }) => {
      const date = new Date(0);
      date.setUTCFullYear(year, month - 1, day);
      date.setUTCHours(hour, minute, second);
      const exists = date.getUTCDate() === day;
      return timeAt(exists ? date.getTime() : Number.NaN, `${year}-${month}-${day}`, host);
    },
  }),
  parse_duration: defineFunction({
    params: { duration: duration() },
    returns: 'time_delta',
    doc: 'A length of time: seconds, or a text such as `1h 30m`.',
    call: ({ duration }) => new TimeDelta(duration),
  }),
  start_timer: defineFunction({
    params: { label: string() },
    returns: 'timer',
    doc: 'Measures until its done() is called, or until a variable declared <close> goes.',
    call: ({ label }, { host }) => new LatencyTimer(label, host),
  }),
} satisfies Record<string, UnnamedFunction>;

const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

function timeAt(milliseconds: number, text: string, host: PolicyHost): Time {
  if (Number.isNaN(new Date(milliseconds).getTime())) throw new Error(`'${text}' is no time`);
  return new Time(milliseconds, () => host.clock.now());
}

/** Reports how long something took, once, as the metric user_lua_latency. */
export class LatencyTimer {
  readonly #label: string;
  readonly #host: PolicyHost;
  readonly #began: number;
  #done = false;

  constructor(label: string, host: PolicyHost) {
    this.#label = label;
    this.#host = host;
    this.#began = host.clock.monotonic();
  }

  /** Seconds; undefined the second time. */
  done(): number | Float | undefined {
    if (this.#done) return undefined;
    this.#done = true;
    const seconds = (this.#host.clock.monotonic() - this.#began) / 1000;
    this.#host.observeLatency?.(this.#label, seconds);
    return keepFloat(seconds);
  }
}

export const timerObject = defineObject(
  'timer',
  LatencyTimer,
  {
    doc: 'A measurement of time under way.',
    operators: { __close: (self) => void (self as LatencyTimer).done() },
  },
  {
    done: methodsOf<LatencyTimer>()({
      returns: 'number?',
      doc: 'Ends and records the measurement. Seconds; nil the second time.',
      call: (self) => self.done(),
    }),
  },
);

/** Conversions of chrono, which KumoMTA uses, that C does not have. */
function formatMoment(time: Time, format: string): string {
  const milliseconds = String(Math.floor(time.milliseconds) % 1000).padStart(3, '0');
  const digits = (count: string) => milliseconds.padEnd(9, '0').slice(0, Number(count));
  const prepared = format
    .replace(/%%|%\.([369])f/g, (all, count?: string) => (count === undefined ? all : `.${digits(count)}`))
    .replace(/%%|%([369])f/g, (all, count?: string) => (count === undefined ? all : digits(count)))
    .replace(/%%|%\.f/g, (all) => (all === '%%' ? all : milliseconds === '000' ? '' : `.${milliseconds}`))
    .replace(/%%|%f/g, (all) => (all === '%%' ? all : digits('9')))
    .replace(/%%|%:z|%\+|%Z|%v/g, (all) => CHRONO[all] ?? all)
    .replace(/%%|%-([dHmeIMSj])/g, (all, letter?: string) =>
      letter === undefined
        ? all
        : formatTime(`%${letter}`, time.milliseconds, true).replace(/^[0 ]+(?=.)/, ''),
    );
  return formatTime(prepared, time.milliseconds, true);
}

const CHRONO: Readonly<Record<string, string>> = {
  '%:z': '+00:00',
  '%+': '%Y-%m-%dT%H:%M:%S+00:00',
  '%Z': 'UTC',
  '%v': '%e-%b-%Y',
};

function sum(left: unknown, right: unknown): Time | TimeDelta {
  if (left instanceof Time && right instanceof TimeDelta) {
    return new Time(left.milliseconds + right.milliseconds, left.now);
  }
  if (left instanceof TimeDelta && right instanceof Time) return sum(right, left);
  if (left instanceof TimeDelta && right instanceof TimeDelta) {
    return new TimeDelta(left.milliseconds + right.milliseconds);
  }
  throw new Error('only a time and a time_delta, or two time_deltas, can be added');
}

function difference(left: unknown, right: unknown): Time | TimeDelta {
  if (left instanceof Time && right instanceof Time) {
    return new TimeDelta(left.milliseconds - right.milliseconds);
  }
  if (left instanceof Time && right instanceof TimeDelta) {
    return new Time(left.milliseconds - right.milliseconds, left.now);
  }
  if (left instanceof TimeDelta && right instanceof TimeDelta) {
    return new TimeDelta(left.milliseconds - right.milliseconds);
  }
  throw new Error('this cannot be taken from that');
}

/** Milliseconds of two values of one class. */
function pair(left: unknown, right: unknown): [number, number] {
  const alike =
    (left instanceof Time && right instanceof Time) ||
    (left instanceof TimeDelta && right instanceof TimeDelta);
  if (!alike) throw new Error('a time and a time_delta cannot be compared');
  return [left.milliseconds, (right as Time | TimeDelta).milliseconds];
}

const operators = {
  __add: sum,
  __sub: difference,
  __eq: (left: unknown, right: unknown) => {
    const alike = left instanceof Time === right instanceof Time;
    return alike && (left as Time).milliseconds === (right as Time).milliseconds;
  },
  __lt: (left: unknown, right: unknown) => {
    const [a, b] = pair(left, right);
    return a < b;
  },
  __le: (left: unknown, right: unknown) => {
    const [a, b] = pair(left, right);
    return a <= b;
  },
};

export const timeModule = defineModule('kumo.time', { doc: 'Time.' }, timeFunctions);

const integerField = (doc: string, get: (self: Time) => number) => ({ luaType: 'integer', doc, get });

export const timeObject = defineObject(
  'time',
  Time,
  {
    doc: 'A moment, in UTC.',
    fields: {
      year: integerField('Year.', (self) => self.date.getUTCFullYear()),
      month: integerField('Month, 1 to 12.', (self) => self.date.getUTCMonth() + 1),
      day: integerField('Day of the month.', (self) => self.date.getUTCDate()),
      hour: integerField('Hour.', (self) => self.date.getUTCHours()),
      minute: integerField('Minute.', (self) => self.date.getUTCMinutes()),
      second: integerField('Second.', (self) => self.date.getUTCSeconds()),
      unix_timestamp: integerField('Seconds since 1970.', (self) => Math.floor(self.milliseconds / 1000)),
      unix_timestamp_millis: integerField('Milliseconds since 1970.', (self) =>
        Math.floor(self.milliseconds),
      ),
      rfc2822: {
        luaType: 'string',
        doc: 'As in a Date header.',
        get: (self) => formatDate(self.milliseconds),
      },
      rfc3339: { luaType: 'string', doc: 'As in RFC 3339.', get: (self) => self.rfc3339 },
      elapsed: {
        luaType: 'time_delta',
        doc: 'How long ago it was.',
        get: (self) => new TimeDelta(self.now() - self.milliseconds),
      },
    },
    text: (self) =>
      self.date
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, ' UTC'),
    operators,
  },
  {
    format: methodsOf<Time>()({
      params: { format: string() },
      returns: 'string',
      doc: 'As strftime writes it, in UTC.',
      call: (self, { format }) => formatMoment(self, format),
    }),
  },
);

function durationText({ milliseconds }: TimeDelta): string {
  return milliseconds < 0 ? `-${formatDuration(-milliseconds)}` : formatDuration(milliseconds);
}

const deltaField = (doc: string, factor: number) => ({
  luaType: 'integer',
  doc,
  get: (self: TimeDelta) => Math.trunc(self.milliseconds * factor),
});

export const timeDeltaObject = defineObject('time_delta', TimeDelta, {
  doc: 'A length of time.',
  fields: {
    seconds: {
      luaType: 'number',
      doc: 'Seconds with fraction.',
      get: (self) => keepFloat(self.milliseconds / 1000),
    },
    milliseconds: deltaField('Whole milliseconds.', 1),
    microseconds: deltaField('Whole microseconds.', 1e3),
    nanoseconds: deltaField('Whole nanoseconds.', 1e6),
    human: {
      luaType: 'string',
      doc: 'As people write it.',
      get: (self) => durationText(self),
    },
  },
  text: durationText,
  operators,
});
