import { reverseName } from './name.ts';

/** One record of a zone, in the form that dns-packet decodes answers to. */
export interface ZoneRecord {
  /** Lower case, without the trailing dot. */
  owner: string;
  type: string;
  /** Seconds. */
  ttl: number;
  rdata: unknown;
}

/** A line of a zone that cannot be read. */
export class ZoneError extends Error {}

const DEFAULT_TTL = 30;

/**
 * Parses a zone file (RFC 1035 §5): $ORIGIN, $TTL, `@`, relative names, omitted owners, parentheses, comments and
 * quoted strings. Known types: A AAAA MX TXT CNAME PTR NS SOA TLSA; others are skipped. Throws ZoneError.
 */
export function parseZone(text: string): ZoneRecord[] {
  const records: ZoneRecord[] = [];
  let origin = '';
  let owner = '';
  let ttl = DEFAULT_TTL;
  for (const { tokens, indented, line } of zoneEntries(text)) {
    const [first] = tokens;
    if (first === '$ORIGIN') origin = absolute(tokens[1] ?? '', origin);
    else if (first === '$TTL') ttl = seconds(tokens[1] ?? '') ?? ttl;
    else if (first?.startsWith('$')) throw new ZoneError(`line ${line}: ${first} is not supported`);
    else {
      const rest = indented ? [...tokens] : tokens.slice(1);
      if (!indented) owner = absolute(first!, origin);
      const record = parseRecord(owner, rest, origin, ttl);
      if (record === 'malformed') throw new ZoneError(`line ${line}: cannot read '${tokens.join(' ')}'`);
      if (record !== 'unknown') records.push(record);
    }
  }
  return records;
}

interface ZoneEntry {
  tokens: string[];
  indented: boolean;
  line: number;
}

/** Quoted strings keep their quotes, so that `"@"` is text and `@` the origin. */
function* zoneEntries(text: string): Generator<ZoneEntry> {
  let entry: ZoneEntry | undefined;
  let depth = 0;
  for (const [index, line] of text.split('\n').entries()) {
    const tokens = line.match(/"(?:\\.|[^"\\])*"|;.*|[()]|[^\s;()"]+/g) ?? [];
    for (const token of tokens) {
      if (token.startsWith(';')) break;
      if (token === '(') depth++;
      else if (token === ')') depth--;
      else {
        entry ??= { tokens: [], indented: /^\s/.test(line), line: index + 1 };
        entry.tokens.push(token);
      }
    }
    if (entry !== undefined && depth <= 0) {
      yield entry;
      entry = undefined;
      depth = 0;
    }
  }
  if (entry !== undefined) throw new ZoneError(`line ${entry.line}: a parenthesis is not closed`);
}

function parseRecord(
  owner: string,
  tokens: string[],
  origin: string,
  defaultTtl: number,
): ZoneRecord | 'malformed' | 'unknown' {
  let ttl = defaultTtl;
  let next = tokens.shift();
  // TTL and class come in either order.
  for (let n = 0; n < 2 && next !== undefined; n++) {
    const given = seconds(next);
    if (given !== undefined) ttl = given;
    else if (!/^(IN|CH|HS)$/i.test(next)) break;
    next = tokens.shift();
  }
  if (next === undefined) return 'malformed';
  const type = next.toUpperCase();
  const read = READERS[type];
  if (read === undefined) return 'unknown';
  const rdata = read(tokens, (name) => absolute(name, origin));
  return rdata === undefined ? 'malformed' : { owner, type, ttl, rdata };
}

type Reader = (tokens: string[], name: (text: string) => string) => unknown;

const nameReader: Reader = ([target], name) => (target === undefined ? undefined : name(target));

const READERS: Record<string, Reader> = {
  A: ([address]) =>
    address !== undefined && reversible(address) && !address.includes(':') ? address : undefined,
  AAAA: ([address]) => (address?.includes(':') && reversible(address) ? address.toLowerCase() : undefined),
  CNAME: nameReader,
  NS: nameReader,
  PTR: nameReader,
  MX: ([preference, exchange], name) =>
    exchange === undefined || !/^\d+$/.test(preference!)
      ? undefined
      : { preference: Number(preference), exchange: exchange === '.' ? '.' : name(exchange) },
  TXT: (tokens) => (tokens.length === 0 ? undefined : tokens.map((token) => Buffer.from(unquoted(token)))),
  SOA: ([mname, rname, serial, refresh, retry, expire, minimum], name) =>
    minimum === undefined
      ? undefined
      : {
          mname: name(mname!),
          rname: name(rname!),
          serial: Number(serial),
          refresh: seconds(refresh!) ?? 0,
          retry: seconds(retry!) ?? 0,
          expire: seconds(expire!) ?? 0,
          minimum: seconds(minimum) ?? 0,
        },
  TLSA: ([usage, selector, matchingType, ...hex]) =>
    hex.length === 0
      ? undefined
      : {
          usage: Number(usage),
          selector: Number(selector),
          matchingType: Number(matchingType),
          certificate: Buffer.from(hex.join(''), 'hex'),
        },
};

function reversible(address: string): boolean {
  try {
    return reverseName(address) !== '';
  } catch {
    return false;
  }
}

function unquoted(token: string): string {
  const inner = token.startsWith('"') ? token.slice(1, -1) : token;
  return inner.replace(/\\(\d{3}|.)/g, (_, code: string) =>
    code.length === 3 ? String.fromCharCode(Number(code)) : code,
  );
}

function absolute(name: string, origin: string): string {
  const lower = name.toLowerCase();
  if (lower === '@') return origin;
  if (lower.endsWith('.')) return lower.slice(0, -1);
  return origin === '' ? lower : `${lower}.${origin}`;
}

/** `3600`, `1h30m`, `2d`. */
function seconds(text: string): number | undefined {
  if (!/^(\d+[smhdw]?)+$/i.test(text)) return undefined;
  const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)([smhdw]?)/gi)) {
    total += Number(count) * (units[unit!.toLowerCase()] ?? 1);
  }
  return total;
}
