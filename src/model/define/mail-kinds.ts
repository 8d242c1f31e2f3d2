import { CidrError, formatHostPort, isIpAddress, parseCidr, parseHostPort } from '../../protocol/ip/index.ts';
import { formatDuration, parseDuration } from '../duration.ts';
import type { Json } from '../json.ts';
import type { LimitSpec, ThrottleSpec } from '../limits.ts';
import { formatThrottleSpec, parseLimitSpec, parseThrottleSpec } from '../throttle-spec.ts';
import type { Endpoint } from '../transport.ts';
import { list } from './collections.ts';
import { PolicyValueError } from './kind.ts';
import { makeKind, type RichKind, refuse } from './kinds.ts';
import { typeOfValue } from './show-value.ts';

/** Seconds as a number, or a text such as `5 minutes`. Parsed: milliseconds. */
export function duration(): RichKind<number> {
  return makeKind(
    'duration',
    'number|string',
    (value, at) => {
      if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value * 1000;
      if (typeof value === 'number') throw new PolicyValueError(`${at}: a duration cannot be ${value}`);
      if (typeof value !== 'string') return refuse(at, "a duration such as '5 minutes'", value);
      const milliseconds = parseDuration(value);
      if (milliseconds !== undefined) return milliseconds;
      throw new PolicyValueError(`${at}: '${value}' is no duration such as '5 minutes' or '1h 30m'`);
    },
    { format: formatDuration },
  );
}

/** `100/s`, `local:20/30min,max_burst=5`. */
export function throttleSpec(): RichKind<ThrottleSpec> {
  return makeKind(
    'throttle',
    'string',
    (value, at) => {
      if (typeof value !== 'string') return refuse(at, "a throttle such as '100/s'", value);
      const spec = parseThrottleSpec(value);
      if ('problem' in spec) throw new PolicyValueError(`${at}: ${spec.problem}`);
      return spec;
    },
    { format: formatThrottleSpec },
  );
}

/** A number from 1 up, `'local:10'`, or the table that a config object gives back. */
export function limitSpec(): RichKind<LimitSpec> {
  return makeKind('limit', 'integer|string', parseLimit, {
    format: ({ limit, local }) => ({ limit, force_local: local }),
  });
}

function parseLimit(value: unknown, at: string): LimitSpec {
  let spec: LimitSpec | undefined;
  if (typeof value === 'number') spec = { limit: value, local: false };
  else if (typeof value === 'string') spec = parseLimitSpec(value);
  else if (typeOfValue(value) === 'table') {
    const { limit, force_local, ...rest } = value as Record<string, unknown>;
    if (typeof limit === 'number' && Object.keys(rest).length === 0)
      spec = { limit, local: force_local === true };
  } else return refuse(at, 'a limit such as 32', value);
  if (spec !== undefined && Number.isSafeInteger(spec.limit) && spec.limit >= 1) return spec;
  throw new PolicyValueError(`${at}: a limit is a whole number from 1 up, or a text such as 'local:10'`);
}

/** One IP address or CIDR block, host bits clear. Stays text; CidrSet makes it fast. */
export function cidr(): RichKind<string> {
  return makeKind('CIDR', 'string', (value, at) => {
    if (typeof value !== 'string') return refuse(at, 'an IP address or CIDR block', value);
    try {
      parseCidr(value);
    } catch (error) {
      if (error instanceof CidrError) throw new PolicyValueError(`${at}: ${error.message}`);
      throw error;
    }
    return value;
  });
}

export function cidrList(): RichKind<string[]> {
  return list(cidr());
}

export function ipAddress(): RichKind<string> {
  return makeKind('IP address', 'string', (value, at) => {
    if (typeof value === 'string' && isIpAddress(value)) return value;
    if (typeof value === 'string') throw new PolicyValueError(`${at}: '${value}' is no IP address`);
    return refuse(at, 'an IP address', value);
  });
}

/** `127.0.0.1:2525`, `[::1]:25`, `proxy.example:1080`. */
export function hostPort(): RichKind<Endpoint> {
  return makeKind(
    'HOST:PORT',
    'string',
    (value, at) => {
      if (typeof value !== 'string') return refuse(at, 'IP:PORT', value);
      const endpoint = parseHostPort(value);
      if (endpoint === undefined) throw new PolicyValueError(`${at}: '${value}' is not of the form IP:PORT`);
      return endpoint;
    },
    { format: ({ address, port }) => formatHostPort(address, port) },
  );
}

/** `IP:PORT` with an address, for listening. */
export function listenAddress(): RichKind<Endpoint> {
  const kind = hostPort();
  return {
    ...kind,
    name: 'IP:PORT',
    parse(value, at, strict) {
      const endpoint = kind.parse(value, at, strict);
      if (isIpAddress(endpoint.address)) return endpoint;
      throw new PolicyValueError(`${at}: '${endpoint.address}' is no IP address to listen on`);
    },
  };
}

/** A floor under the free space of a disk: percent, or bytes (inodes). */
export type FreeFloor = { percent: number } | { amount: number };

/** `'10%'`, or a number of bytes (or inodes). */
export function freeFloor(): RichKind<FreeFloor> {
  return makeKind(
    'free space',
    'integer|string',
    (value, at) => {
      const match = typeof value === 'string' ? /^\s*(\d+(?:\.\d+)?)\s*(%?)\s*$/.exec(value) : null;
      const amount = match === null ? value : Number(match[1]);
      if (typeof amount !== 'number' || !(amount >= 0)) {
        throw new PolicyValueError(`${at}: expected free space such as '10%' or a number of bytes`);
      }
      if (match?.[2] !== '%') return { amount };
      if (amount > 100) throw new PolicyValueError(`${at}: ${amount}% is more than there can be`);
      return { percent: amount };
    },
    { format: (floor) => ('percent' in floor ? `${floor.percent}%` : floor.amount) },
  );
}

/** Where secret bytes come from (policy-api.md 4.9). Fetched when needed, not when parsed. */
export type KeySource =
  | { from: 'file'; path: string }
  | { from: 'inline'; bytes: Uint8Array }
  | { from: 'vault'; mount: string; path: string; key: string; address?: string; token?: string }
  | { from: 'event'; event: string; args: unknown[] };

/** A file name, `{key_data=...}`, `{vault_mount=..., vault_path=...}` or `{event_name=..., event_args={...}}`. */
export function keySource(): RichKind<KeySource> {
  return makeKind('key source', 'kumo.KeySource', parseKeySource, { format: formatKeySource });
}

function parseKeySource(value: unknown, at: string): KeySource {
  if (typeof value === 'string') return { from: 'file', path: value };
  if (typeOfValue(value) !== 'table') return refuse(at, 'a file name or a key source table', value);
  const table = value as Record<string, unknown>;
  const { key_data, vault_mount, vault_path, vault_key, vault_address, vault_token, event_name, event_args } =
    table;
  if (typeof key_data === 'string' || Buffer.isBuffer(key_data)) {
    return { from: 'inline', bytes: Buffer.from(key_data as string) };
  }
  if (typeof vault_mount === 'string' && typeof vault_path === 'string') {
    return {
      from: 'vault',
      mount: vault_mount,
      path: vault_path,
      key: typeof vault_key === 'string' ? vault_key : 'key',
      ...(typeof vault_address === 'string' && { address: vault_address }),
      ...(typeof vault_token === 'string' && { token: vault_token }),
    };
  }
  const isList = Array.isArray(event_args) || (typeOfValue(event_args) === 'table' && event_args !== null);
  if (typeof event_name === 'string' && isList) {
    return { from: 'event', event: event_name, args: Array.isArray(event_args) ? event_args : [] };
  }
  throw new PolicyValueError(
    `${at}: a key source has key_data, or vault_mount and vault_path, or event_name and event_args`,
  );
}

function formatKeySource(source: KeySource): Json {
  switch (source.from) {
    case 'file':
      return source.path;
    case 'inline':
      return { key_data: Buffer.from(source.bytes).toString() };
    case 'vault':
      return {
        vault_mount: source.mount,
        vault_path: source.path,
        vault_key: source.key,
        vault_address: source.address ?? null,
        vault_token: source.token ?? null,
      };
    case 'event':
      return { event_name: source.event, event_args: source.args as Json[] };
  }
}
