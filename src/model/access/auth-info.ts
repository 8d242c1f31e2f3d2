import type { AuthInfo, Identity } from '../connection-meta.ts';
import { PolicyValueError } from '../define/index.ts';

/** How an identity was proved (policy-api.md 4.8). */
export const IDENTITY_CONTEXTS = [
  'SmtpAuthPlainAuthentication',
  'SmtpAuthPlainAuthorization',
  'HttpBasicAuth',
  'BearerToken',
  'ProxyAuthRfc1929',
  'LocalSystem',
  'GenericAuth',
];

/** The group of clients of the HTTP listener whose address is among its trusted_hosts. */
export const TRUSTED_GROUP = 'kumomta:http-listener-trusted-ip';

/** Checks what policy says of somebody. Throws PolicyValueError naming `at`. */
export function readAuthInfo(value: unknown, at: string): AuthInfo {
  const wanted = 'a table with identities, groups and peer_address';
  if (typeof value !== 'object' || value === null) throw new PolicyValueError(`${at}: expected ${wanted}`);
  const { identities, groups, peer_address: peer, ...rest } = value as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    throw new PolicyValueError(`${at}: unknown field \`${unknown}\`, expected ${wanted}`);
  if (peer !== undefined && peer !== null && typeof peer !== 'string') {
    throw new PolicyValueError(`${at}.peer_address: expected a string`);
  }
  return {
    identities: listOf(identities, `${at}.identities`).map((one, index) =>
      readIdentity(one, `${at}.identities[${index + 1}]`),
    ),
    groups: listOf(groups, `${at}.groups`).map((group, index) => {
      if (typeof group === 'string') return group;
      throw new PolicyValueError(`${at}.groups[${index + 1}]: expected a string`);
    }),
    ...(typeof peer === 'string' && { peer_address: peer }),
  };
}

/** Who asks, as refusals and records say it (operations.md 2.4). */
export function describeAuth({ identities, peer_address: peer }: AuthInfo): string {
  const names = identities.map(({ identity }) => identity);
  const who = names.length === 0 ? '<Unauthenticated>' : `id=[${names.join(', ')}]`;
  return peer === undefined ? who : `${who}@ ip=${peer}`;
}

function readIdentity(value: unknown, at: string): Identity {
  const { identity, context } = (value ?? {}) as Partial<Record<string, unknown>>;
  if (typeof identity !== 'string') throw new PolicyValueError(`${at}.identity: expected a string`);
  if (typeof context === 'string' && IDENTITY_CONTEXTS.includes(context)) return { identity, context };
  throw new PolicyValueError(`${at}.context: expected one of ${IDENTITY_CONTEXTS.join(', ')}`);
}

/** An empty Lua table may arrive as an empty object. */
function listOf(value: unknown, at: string): unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  if (typeof value === 'object' && Object.keys(value).length === 0) return [];
  throw new PolicyValueError(`${at}: expected a list`);
}
