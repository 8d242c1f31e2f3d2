/**
 * Durations as policies write them: a number of seconds, or spans such as `1h 30m` and `500ms`.
 * Inside Moonpost a duration is a number of milliseconds.
 */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** The mean month of 30.44 days and the Julian year, so that `1M` always has one length. */
const MONTH = 30.44 * DAY;
const YEAR = 365.25 * DAY;

const UNITS = new Map<string, number>([
  ...names(1e-6, 'ns', 'nsec', 'nanos'),
  ...names(1e-3, 'us', 'usec', 'micros'),
  ...names(1, 'ms', 'msec', 'millis'),
  ...names(SECOND, 's', 'sec', 'secs', 'second', 'seconds'),
  ...names(MINUTE, 'm', 'min', 'mins', 'minute', 'minutes'),
  ...names(HOUR, 'h', 'hr', 'hrs', 'hour', 'hours'),
  ...names(DAY, 'd', 'day', 'days'),
  ...names(7 * DAY, 'w', 'wk', 'wks', 'week', 'weeks'),
  // Lower-case m is minutes; a month is the capital.
  ...names(MONTH, 'M', 'month', 'months'),
  ...names(YEAR, 'y', 'yr', 'yrs', 'year', 'years'),
]);

function names(milliseconds: number, ...units: string[]): [string, number][] {
  return units.map((unit) => [unit, milliseconds]);
}

const SPAN = /\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*/y;

/** Milliseconds of a text such as `1h 30m`; undefined when it is no duration. */
export function parseDuration(text: string): number | undefined {
  let total = 0;
  let end = 0;
  SPAN.lastIndex = 0;
  for (let span = SPAN.exec(text); span !== null; span = SPAN.exec(text)) {
    const unit = UNITS.get(span[2]!);
    if (unit === undefined) return undefined;
    total += Number(span[1]) * unit;
    end = SPAN.lastIndex;
  }
  return end === text.length && end > 0 ? total : undefined;
}

/** Largest first, in milliseconds; long units count in the plural from two on. */
const WHOLE_UNITS: readonly (readonly [size: number, unit: string, plural: string])[] = [
  [YEAR, 'year', 'years'],
  [MONTH, 'month', 'months'],
  [DAY, 'day', 'days'],
  [HOUR, 'h', 'h'],
  [MINUTE, 'm', 'm'],
  [SECOND, 's', 's'],
  [1, 'ms', 'ms'],
];

/** Compact text such as `1h 30m` that parses back to the same duration. */
export function formatDuration(milliseconds: number): string {
  // Whole milliseconds and whole nanoseconds are counted apart, so that neither is rounded by the other.
  let whole = Math.floor(milliseconds);
  let nanoseconds = Math.round((milliseconds - whole) * 1e6);
  if (nanoseconds === 1e6) {
    whole += 1;
    nanoseconds = 0;
  }
  const parts: string[] = [];
  for (const [size, unit, plural] of WHOLE_UNITS) {
    const fits = Math.floor(whole / size);
    if (fits > 0) parts.push(`${fits}${fits === 1 ? unit : plural}`);
    whole -= fits * size;
  }
  const microseconds = Math.floor(nanoseconds / 1000);
  if (microseconds > 0) parts.push(`${microseconds}us`);
  if (nanoseconds % 1000 > 0) parts.push(`${nanoseconds % 1000}ns`);
  return parts.length === 0 ? '0s' : parts.join(' ');
}
