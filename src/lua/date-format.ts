/** os.date and os.time: strftime in the C locale, in UTC or the zone of the machine. */

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

export interface DateFields {
  year: number;
  month: number;
  day: number;
  hour: number;
  min: number;
  sec: number;
  /** 1 is Sunday. */
  wday: number;
  yday: number;
  isdst: boolean;
}

/** Calendar fields of a time in milliseconds. */
export function dateFields(time: number, utc: boolean): DateFields {
  const local = new Date(time);
  // Shifting by the zone's offset lets the UTC getters serve both.
  const date = utc ? local : new Date(time - local.getTimezoneOffset() * 60_000);
  const year = date.getUTCFullYear();
  return {
    year,
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    min: date.getUTCMinutes(),
    sec: date.getUTCSeconds(),
    wday: date.getUTCDay() + 1,
    yday: Math.floor((date.getTime() - Date.UTC(year, 0, 1)) / 86_400_000) + 1,
    isdst: !utc && isSummerTime(local),
  };
}

function isSummerTime(date: Date): boolean {
  const winter = Math.max(
    new Date(date.getFullYear(), 0, 1).getTimezoneOffset(),
    new Date(date.getFullYear(), 6, 1).getTimezoneOffset(),
  );
  return date.getTimezoneOffset() < winter;
}

/** Milliseconds of local calendar fields, which may lie outside their usual ranges. */
export function localTime(
  fields: Pick<DateFields, 'year' | 'month' | 'day' | 'hour' | 'min' | 'sec'>,
): number {
  const date = new Date(2000, 0, 1);
  date.setFullYear(fields.year, fields.month - 1, fields.day);
  date.setHours(fields.hour, fields.min, fields.sec, 0);
  return date.getTime();
}

/** `format` as strftime writes it. Throws RangeError for a conversion that C99 does not have. */
export function formatDate(format: string, time: number, utc: boolean): string {
  const fields = dateFields(time, utc);
  return format.replace(/%(?:[EO]?(.))?/gs, (conversion, letter: string | undefined) => {
    const text = letter === undefined ? undefined : conversionText(letter, fields, time, utc);
    if (text === undefined) throw new RangeError(`invalid conversion specifier '${conversion}'`);
    return text;
  });
}

const two = (n: number, fill = '0') => String(n).padStart(2, fill);
const combined: Record<string, string> = {
  c: '%a %b %e %H:%M:%S %Y',
  D: '%m/%d/%y',
  F: '%Y-%m-%d',
  r: '%I:%M:%S %p',
  R: '%H:%M',
  T: '%H:%M:%S',
  x: '%m/%d/%y',
  X: '%H:%M:%S',
};

function conversionText(letter: string, f: DateFields, time: number, utc: boolean): string | undefined {
  if (Object.hasOwn(combined, letter)) return formatDate(combined[letter]!, time, utc);
  const hour12 = ((f.hour + 11) % 12) + 1;
  switch (letter) {
    case 'a':
      return days[f.wday - 1]!.slice(0, 3);
    case 'A':
      return days[f.wday - 1];
    case 'b':
    case 'h':
      return months[f.month - 1]!.slice(0, 3);
    case 'B':
      return months[f.month - 1];
    case 'C':
      return two(Math.floor(f.year / 100));
    case 'd':
      return two(f.day);
    case 'e':
      return two(f.day, ' ');
    case 'H':
      return two(f.hour);
    case 'I':
      return two(hour12);
    case 'j':
      return String(f.yday).padStart(3, '0');
    case 'm':
      return two(f.month);
    case 'M':
      return two(f.min);
    case 'n':
      return '\n';
    case 'p':
      return f.hour < 12 ? 'AM' : 'PM';
    case 's':
      return String(Math.floor(time / 1000));
    case 'S':
      return two(f.sec);
    case 't':
      return '\t';
    case 'y':
      return two(f.year % 100);
    case 'Y':
      return String(f.year);
    case '%':
      return '%';
    default:
      return weekOrZone(letter, f, time, utc);
  }
}

function weekOrZone(letter: string, f: DateFields, time: number, utc: boolean): string | undefined {
  const monday = (f.wday + 5) % 7;
  switch (letter) {
    case 'u':
      return String(monday + 1);
    case 'w':
      return String(f.wday - 1);
    case 'U':
      return two(Math.floor((f.yday + 6 - (f.wday - 1)) / 7));
    case 'W':
      return two(Math.floor((f.yday + 6 - monday) / 7));
    case 'V':
      return two(isoWeek(f).week);
    case 'g':
      return two(isoWeek(f).year % 100);
    case 'G':
      return String(isoWeek(f).year);
    case 'z': {
      const offset = utc ? 0 : -new Date(time).getTimezoneOffset();
      const size = Math.abs(offset);
      return `${offset < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${two(size % 60)}`;
    }
    case 'Z':
      return utc ? 'GMT' : zoneName(time);
    default:
      return undefined;
  }
}

function zoneName(time: number): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(time);
  return parts.find((part) => part.type === 'timeZoneName')?.value ?? '';
}

/** ISO 8601: the week that holds the Thursday gives the year. */
function isoWeek(f: DateFields): { week: number; year: number } {
  const thursday = new Date(Date.UTC(f.year, f.month - 1, f.day + 4 - (((f.wday + 5) % 7) + 1)));
  const start = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  return {
    week: Math.floor((thursday.getTime() - start) / 604_800_000) + 1,
    year: thursday.getUTCFullYear(),
  };
}
