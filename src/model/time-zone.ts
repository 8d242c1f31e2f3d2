/** Time zones by the data that Node has, through Intl. All times are ms since the epoch. */

export interface LocalTime {
  year: number;
  /** 1 to 12. */
  month: number;
  day: number;
  /** 0 for Sunday. */
  weekday: number;
  /** Of the day. */
  second: number;
}

const DAY = 86_400_000;

/** Making a format costs 50 times more than using it; there are about 600 zones and aliases. */
const formats = new Map<string, Intl.DateTimeFormat>();

function formatFor(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, format);
  }
  return format;
}

/** Whether it is an IANA zone such as `Europe/Berlin`, `UTC` too. */
export function isTimeZone(zone: string): boolean {
  // Intl takes offsets such as +01:00 as well; there would be no end of those.
  if (!/^[A-Za-z]/.test(zone)) return false;
  try {
    formatFor(zone);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** What clocks in the zone show at `time`. */
export function localTime(zone: string, time: number): LocalTime {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatFor(zone).formatToParts(time)) parts[type] = Number(value);
  const { year, month, day, hour, minute, second } = parts as Record<string, number>;
  const weekday = new Date(Date.UTC(year!, month! - 1, day!)).getUTCDay();
  return {
    year: year!,
    month: month!,
    day: day!,
    weekday,
    second: hour! * 3600 + minute! * 60 + second!,
  };
}

/** Milliseconds that clocks in the zone are ahead of UTC. */
function offsetAt(zone: string, time: number): number {
  const { year, month, day, second } = localTime(zone, time);
  return Date.UTC(year, month - 1, day) + second * 1000 - Math.floor(time / 1000) * 1000;
}

/**
 * When clocks in the zone show `second` of that day; `day` may be beyond the end of the month. Of two such
 * moments the first; when clocks skip it, as long after the change as it would have been.
 */
export function utcOf(zone: string, year: number, month: number, day: number, second: number): number {
  const shown = Date.UTC(year, month - 1, day) + second * 1000;
  const before = shown - offsetAt(zone, shown - DAY);
  const after = shown - offsetAt(zone, shown + DAY);
  const [first, last] = before < after ? [before, after] : [after, before];
  if (shown - offsetAt(zone, first) === first) return first;
  return shown - offsetAt(zone, last) === last ? last : before;
}
