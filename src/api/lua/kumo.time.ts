import {
  defineFunction,
  defineModule,
  defineObject,
  number,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import { formatDuration, type PolicyHost, TimeDelta } from '../../model/index.ts';
import { formatDate } from '../../protocol/mime/index.ts';

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
} satisfies Record<string, UnnamedFunction>;

export const timeModule = defineModule('kumo.time', { doc: 'Time.' }, timeFunctions);

const integerField = (doc: string, get: (self: Time) => number) => ({ luaType: 'integer', doc, get });

export const timeObject = defineObject('time', Time, {
  doc: 'A moment, in UTC.',
  fields: {
    year: integerField('Year.', (self) => self.date.getUTCFullYear()),
    month: integerField('Month, 1 to 12.', (self) => self.date.getUTCMonth() + 1),
    day: integerField('Day of the month.', (self) => self.date.getUTCDate()),
    hour: integerField('Hour.', (self) => self.date.getUTCHours()),
    minute: integerField('Minute.', (self) => self.date.getUTCMinutes()),
    second: integerField('Second.', (self) => self.date.getUTCSeconds()),
    unix_timestamp: integerField('Seconds since 1970.', (self) => Math.floor(self.milliseconds / 1000)),
    unix_timestamp_millis: integerField('Milliseconds since 1970.', (self) => Math.floor(self.milliseconds)),
    rfc2822: { luaType: 'string', doc: 'As in a Date header.', get: (self) => formatDate(self.milliseconds) },
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
});

const deltaField = (doc: string, factor: number) => ({
  luaType: 'integer',
  doc,
  get: (self: TimeDelta) => Math.trunc(self.milliseconds * factor),
});

export const timeDeltaObject = defineObject('time_delta', TimeDelta, {
  doc: 'A length of time.',
  fields: {
    seconds: { luaType: 'number', doc: 'Seconds with fraction.', get: (self) => self.milliseconds / 1000 },
    milliseconds: deltaField('Whole milliseconds.', 1),
    microseconds: deltaField('Whole microseconds.', 1e3),
    nanoseconds: deltaField('Whole nanoseconds.', 1e6),
    human: {
      luaType: 'string',
      doc: 'As people write it.',
      get: (self) => formatDuration(self.milliseconds),
    },
  },
  text: (self) => formatDuration(self.milliseconds),
});
