import type { LimitSpec, ThrottleSpec } from './limits.ts';

const SECOND = 1000;
const PERIODS = new Map<string, number>([
  ...['s', 'sec', 'second'].map((unit): [string, number] => [unit, SECOND]),
  ...['m', 'min', 'minute'].map((unit): [string, number] => [unit, 60 * SECOND]),
  ...['h', 'hr', 'hour'].map((unit): [string, number] => [unit, 3600 * SECOND]),
  ...['d', 'day'].map((unit): [string, number] => [unit, 86_400 * SECOND]),
]);

const SPEC = /^(local:)?([\d,_]+)\/(\d*)([a-z]+)(?:,max_burst=([\d,_]+))?$/;
const LIMIT = /^(local:)?([\d,_]+)$/;

/** A throttle such as `100/s`, `local:20/30min` or `1,000/h,max_burst=50`; otherwise why it is none. */
export function parseThrottleSpec(text: string): ThrottleSpec | { problem: string } {
  const match = SPEC.exec(text);
  if (match === null)
    return { problem: `'${text}' is no throttle such as '100/s' or 'local:20/30min,max_burst=5'` };
  const unit = PERIODS.get(match[4]!);
  if (unit === undefined) {
    return { problem: `'${text}' has the unknown period '${match[4]}'; use s, min, hour or day` };
  }
  const limit = count(match[2]!);
  const multiple = match[3] === '' ? 1 : Number(match[3]);
  const burst = match[5] === undefined ? limit : count(match[5]);
  for (const [name, value] of Object.entries({ limit, period: multiple, max_burst: burst })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      return { problem: `'${text}': the ${name} must be a whole number greater than 0` };
    }
  }
  return { limit, period: multiple * unit, burst, local: match[1] !== undefined };
}

/** The text that parses back to `spec`, with the shortest unit that policies know: `100/s`, `20/1800s`. */
export function formatThrottleSpec(spec: ThrottleSpec): string {
  const unit = { [SECOND]: 's', [60 * SECOND]: 'm', [3600 * SECOND]: 'h', [86_400 * SECOND]: 'd' }[
    spec.period
  ];
  const period = unit ?? `${spec.period / SECOND}s`;
  const burst = spec.burst === spec.limit ? '' : `,max_burst=${spec.burst}`;
  return `${spec.local ? 'local:' : ''}${spec.limit}/${period}${burst}`;
}

/** A limit such as `32`, `1_000` or `local:10`; undefined when the text is none. */
export function parseLimitSpec(text: string): LimitSpec | undefined {
  const match = LIMIT.exec(text);
  if (match === null) return undefined;
  const limit = count(match[2]!);
  return Number.isSafeInteger(limit) && limit >= 1 ? { limit, local: match[1] !== undefined } : undefined;
}

/** The text that parses back to `spec`. */
export function formatLimitSpec(spec: LimitSpec): string {
  return `${spec.local ? 'local:' : ''}${spec.limit}`;
}

/** NaN when nothing but separators was written. */
function count(text: string): number {
  const digits = text.replace(/[,_]/g, '');
  return digits === '' ? Number.NaN : Number(digits);
}
