import { isUtf8 } from 'node:buffer';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { ExpiringCache, readAuthInfo } from '../../model/access/index.ts';
import { PolicyValueError } from '../../model/define/index.ts';
import type {
  AuthInfo,
  Clock,
  Diagnostics,
  Identity,
  PolicyEvents,
  PolicyResult,
} from '../../model/index.ts';

/** What a request says of who sends it. */
interface Credential {
  event: 'http_server_validate_auth_basic' | 'http_server_validate_auth_bearer';
  /** Of the event. */
  args: (string | null)[];
  /** Who that is when policy says no more than that it is right. */
  identity: Identity;
  /** Of the answer when it is wrong. */
  refusal: string;
}

/** A verdict is kept so long, ms, and so many (operations.md 2.3). */
const TTL = 60_000;
const MOST_VERDICTS = 128;
/** Octets of a header that are looked at. */
const LONGEST = 4096;

export interface AuthenticationParts {
  policy: PolicyEvents;
  clock: Pick<Clock, 'monotonic'>;
  diagnostics: Diagnostics;
  /** Number of the configuration epoch: what an earlier policy said does not count. */
  epoch: () => number;
}

/** What came of the header Authorization. */
export type Authenticated =
  /** There is none. */
  | { kind: 'none' }
  | { kind: 'right'; attempted: Identity; info: AuthInfo }
  | { kind: 'wrong'; attempted: Identity; text: string }
  | { kind: 'unreadable' }
  /** The policy could not say; the diagnostic log knows why. */
  | { kind: 'failed' };

/** Asks policy whether credentials are right. Keeps what it said under a hash that means nothing elsewhere. */
export class Authentication {
  readonly #parts: AuthenticationParts;
  readonly #secret = randomBytes(32);
  /** False: wrong. */
  readonly #verdicts: ExpiringCache<Promise<AuthInfo | false>>;

  constructor(parts: AuthenticationParts) {
    this.#parts = parts;
    const { clock, epoch } = parts;
    this.#verdicts = new ExpiringCache({
      max: MOST_VERDICTS,
      ttl: () => TTL,
      now: () => clock.monotonic(),
      epoch,
    });
  }

  async check(header: string | undefined): Promise<Authenticated> {
    if (header === undefined) return { kind: 'none' };
    const credential = readCredential(header);
    if (credential === undefined) return { kind: 'unreadable' };
    const attempted = credential.identity;
    try {
      const info = await this.#verdict(credential);
      if (info === false) return { kind: 'wrong', attempted, text: credential.refusal };
      return { kind: 'right', attempted, info };
    } catch (error) {
      if (error instanceof VerdictError) this.#parts.diagnostics.error('http_server', error.message);
      return { kind: 'failed' };
    }
  }

  /** One question for all requests that come with the same; failures are not kept. */
  #verdict(credential: Credential): Promise<AuthInfo | false> {
    const text = JSON.stringify([credential.event, ...credential.args]);
    const key = createHmac('sha256', this.#secret).update(text).digest('base64');
    const known = this.#verdicts.get(key);
    if (known !== undefined) return known;
    const verdict = this.#ask(credential);
    this.#verdicts.set(key, verdict);
    verdict.catch(() => this.#verdicts.delete(key));
    return verdict;
  }

  async #ask({ event, args, identity }: Credential): Promise<AuthInfo | false> {
    const { policy } = this.#parts;
    if (!policy.handles(event)) return false;
    const verdict = verdictIn(await policy.fire(event, args), event);
    return verdict === true ? { identities: [identity], groups: [] } : verdict;
  }
}

/** What the handler gave is no verdict. */
class VerdictError extends Error {}

function verdictIn(result: PolicyResult, event: string): AuthInfo | boolean {
  const wanted = `${event} must return true, false or a table with identities and groups`;
  // The engine has reported errors.
  if (result.kind === 'error') throw new Error(result.message);
  if (result.kind === 'reject') throw new VerdictError(`${event}: ${result.code} ${result.text}`);
  const value = result.kind === 'values' ? result.values[0] : undefined;
  if (typeof value === 'boolean') return value;
  try {
    return readAuthInfo(value, event);
  } catch (error) {
    if (error instanceof PolicyValueError) throw new VerdictError(`${wanted}: ${error.message}`);
    throw error;
  }
}

/** RFC 7617 and RFC 6750. undefined for every other scheme; their names are written exactly so. */
function readCredential(header: string): Credential | undefined {
  if (header.length > LONGEST) return undefined;
  const [scheme, value, ...rest] = header.split(' ');
  if (value === undefined || rest.length > 0) return undefined;
  if (scheme === 'Basic') return basic(value);
  return scheme === 'Bearer' && /^[A-Za-z0-9._~+/-]+=*$/.test(value) ? bearer(value) : undefined;
}

function basic(value: string): Credential | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value)) return undefined;
  const octets = Buffer.from(value, 'base64');
  if (!isUtf8(octets)) return undefined;
  const text = octets.toString();
  // RFC 7617 §2: neither has control characters.
  if (hasControl(text)) return undefined;
  const colon = text.indexOf(':');
  const user = colon === -1 ? text : text.slice(0, colon);
  const password = colon === -1 ? null : text.slice(colon + 1);
  return {
    event: 'http_server_validate_auth_basic',
    args: [user, password],
    identity: { identity: user, context: 'HttpBasicAuth' },
    refusal: `HttpBasicAuth Authentication Failed for ${user}`,
  };
}

/** The token itself is a secret, so its owner goes by a hash of it unless policy has a name. */
function bearer(token: string): Credential {
  const hash = createHash('sha256').update(token).digest('hex').slice(0, 16);
  const identity = `sha256:${hash}`;
  return {
    event: 'http_server_validate_auth_bearer',
    args: [token],
    identity: { identity, context: 'BearerToken' },
    refusal: `BearerToken Authentication Failed for ${identity}`,
  };
}

function hasControl(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
