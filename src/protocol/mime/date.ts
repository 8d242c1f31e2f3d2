const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const two = (value: number): string => (value < 10 ? `0${value}` : String(value));

/** `Sat, 21 Nov 2026 07:30:20 +0000` (RFC 5322 §3.3), always in UTC. `time` is in ms since the epoch. */
export function formatDate(time: number): string {
  const date = new Date(time);
  const day = `${DAYS[date.getUTCDay()]}, ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
  const clock = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(':');
  return `${day} ${clock} +0000`;
}

const DATE =
  /^(?:[A-Za-z]{3,9}\s*,\s*)?(\d{1,2})\s+([A-Za-z]{3})[a-z]*\s+(\d{2,4})\s+(\d{1,2})\s*:\s*(\d{2})(?:\s*:\s*(\d{2}))?\s*([+-]\d{4}|[A-Za-z]{1,5})?\s*$/;

/** RFC 5322 §4.3, in minutes east of Greenwich; the letters of RFC 822 say nothing reliable. */
const ZONES: ReadonlyMap<string, number> = new Map([
  ['EDT', -240],
  ['EST', -300],
  ['CDT', -300],
  ['CST', -360],
  ['MDT', -360],
  ['MST', -420],
  ['PDT', -420],
  ['PST', -480],
]);

/** Milliseconds since the epoch of a date of RFC 5322 §3.3, with comments; undefined when it is none. */
export function parseDate(text: string): number | undefined {
  if (text.length > 200) return undefined;
  const match = DATE.exec(text.replace(/\([^()]*\)/g, ' ').trim());
  if (match === null) return undefined;
  const month = MONTHS.findIndex((name) => name.toLowerCase() === match[2]!.toLowerCase());
  const [day, hour, minute, second] = [match[1], match[4], match[5], match[6] ?? '0'].map(Number);
  if (month < 0 || day! < 1 || day! > 31 || hour! > 23 || minute! > 59 || second! > 60) return undefined;
  // RFC 5322 §4.3: years of two digits and of three.
  let year = Number(match[3]);
  if (match[3]!.length === 2) year += year < 50 ? 2000 : 1900;
  else if (match[3]!.length === 3) year += 1900;
  return Date.UTC(year, month, day, hour, minute, second) - zoneMinutes(match[7]) * 60_000;
}

function zoneMinutes(zone: string | undefined): number {
  if (zone === undefined) return 0;
  if (!/^[+-]/.test(zone)) return ZONES.get(zone.toUpperCase()) ?? 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3));
  return zone[0] === '-' ? -minutes : minutes;
}

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** Milliseconds since the epoch of a text such as 2026-01-01T00:00:00Z; undefined when it is none. */
export function parseRfc3339(text: string): number | undefined {
  const time = RFC3339.test(text) ? Date.parse(text.toUpperCase().replace(' ', 'T')) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}
