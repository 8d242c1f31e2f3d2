import { isUtf8 } from 'node:buffer';
import type { AuthInfo, Identity, MaybePromise } from '../../../model/index.ts';
import { type Answer, answer, refusalOf, technicalDifficulties } from '../answer.ts';
import type { SessionContext } from '../context.ts';
import { andThen } from '../maybe-promise.ts';

const AUTHENTICATION = 'SmtpAuthPlainAuthentication';
const AUTHORIZATION = 'SmtpAuthPlainAuthorization';
/** Octets; longer ones are nobody's name or password. */
const LONGEST = 1024;

/** RFC 4954. PLAIN and LOGIN, over TLS only; both ask the same event. */
export function auth(
  context: SessionContext,
  command: { mechanism: string; initial: string | undefined },
): MaybePromise<Answer> {
  const { mechanism, initial } = command;
  if (mechanism !== 'PLAIN' && mechanism !== 'LOGIN') {
    return answer(504, '5.5.4', `AUTH ${mechanism} not supported`);
  }
  if (context.tls === undefined) {
    return answer(524, '5.7.11', `AUTH ${mechanism} requires an encrypted channel`);
  }
  if (context.isAuthenticated) return answer(503, '5.5.1', 'already authenticated');
  if (context.transaction !== undefined) return answer(503, '5.5.1', 'mail transaction in progress');
  const take = mechanism === 'PLAIN' ? plain(context) : login(context);
  // RFC 4954 §4: `=` is an initial response of no octets.
  if (initial !== undefined) return take(Buffer.from(initial === '=' ? '' : initial));
  return mechanism === 'PLAIN' ? prompt(context, '', take) : prompt(context, 'Username:', take);
}

type Dialogue = (line: Buffer) => MaybePromise<Answer>;

/** The next line is not a command but goes to `take`; `*` gives up (RFC 4954 §4). */
function prompt(context: SessionContext, text: string, take: Dialogue): Answer {
  context.dialogue = (line) =>
    line.length === 1 && line[0] === 0x2a ? answer(501, '5.7.0', 'AUTH cancelled') : take(line);
  return answer(334, '', Buffer.from(text).toString('base64'));
}

/** RFC 4616: `[authzid] NUL authcid NUL passwd`. */
function plain(context: SessionContext): Dialogue {
  return (line) => {
    const parts = decode(line)?.split('\0');
    if (parts === undefined || parts.length !== 3) return malformed();
    return verify(context, parts[0]!, parts[1]!, parts[2]!);
  };
}

function login(context: SessionContext): Dialogue {
  return (name) => {
    const account = decode(name);
    if (account === undefined || account.includes('\0')) return malformed();
    return prompt(context, 'Password:', (line) => {
      const password = decode(line);
      if (password === undefined || password.includes('\0')) return malformed();
      return verify(context, '', account, password);
    });
  };
}

function malformed(): Answer {
  return answer(501, '5.5.2', 'malformed AUTH response');
}

/** The text of a base64 line; undefined for anything else. */
function decode(line: Buffer): string | undefined {
  const text = line.toString('latin1');
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const octets = Buffer.from(text, 'base64');
  return octets.length <= 3 * LONGEST && isUtf8(octets) ? octets.toString() : undefined;
}

function verify(
  context: SessionContext,
  authz: string,
  authc: string,
  password: string,
): MaybePromise<Answer> {
  if (authc === '' || authc.length > LONGEST || authz.length > LONGEST) return malformed();
  context.trace?.hide(password, Buffer.from(password).toString('base64'));
  const { address } = context.peer;
  if (context.authBackoff.isBlocked(address, authc)) {
    return answer(454, '4.7.0', 'too many failed attempts. Try later');
  }
  const actsAs = authz === '' ? authc : authz;
  const fired = context.fire('smtp_server_auth_plain', [actsAs, authc, password, context.meta]);
  return andThen(fired, (result) => {
    const refusal = refusalOf(result, context.hostname);
    if (refusal !== undefined) {
      if (result.kind === 'reject') context.authBackoff.failed(address, authc);
      return refusal;
    }
    const value = context.parameters.events.handles('smtp_server_auth_plain')
      ? result.kind === 'values' && result.values[0]
      : false;
    if (value === false) {
      context.authBackoff.failed(address, authc);
      return answer(535, '5.7.8', 'AUTH invalid');
    }
    const info = value === true ? ofNames(authc, actsAs) : parseAuthInfo(value);
    if (info === undefined) {
      const text = 'smtp_server_auth_plain must return true, false or a table with identities';
      context.parameters.diagnostics.error('smtp_server', text);
      return technicalDifficulties(context.hostname);
    }
    context.authBackoff.succeeded(address, authc);
    return accept(context, info);
  });
}

function ofNames(authc: string, authz: string): AuthInfo {
  return {
    identities: [
      { identity: authc, context: AUTHENTICATION },
      { identity: authz, context: AUTHORIZATION },
    ],
    groups: [],
  };
}

function accept(context: SessionContext, info: AuthInfo): Answer {
  const named = (wanted: string): string | undefined =>
    info.identities.find((entry) => entry.context === wanted)?.identity;
  const authn = named(AUTHENTICATION) ?? info.identities[0]!.identity;
  context.meta.set('authn_id', authn);
  context.meta.set('authz_id', named(AUTHORIZATION) ?? authn);
  context.meta.identities.push(...info.identities);
  context.meta.groups.push(...info.groups);
  context.isAuthenticated = true;
  return answer(235, '2.7.0', 'AUTH OK');
}

/** policy-api.md 4.8; undefined when it is no such table or names nobody. */
function parseAuthInfo(value: unknown): AuthInfo | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { identities, groups = [] } = value as { identities?: unknown; groups?: unknown };
  if (!Array.isArray(identities) || identities.length === 0 || !identities.every(isIdentity))
    return undefined;
  // An empty Lua table may arrive as an empty object.
  const list = Array.isArray(groups) ? groups : Object.values(groups ?? {});
  if (!list.every((group) => typeof group === 'string')) return undefined;
  return { identities: identities.map(({ identity, context }) => ({ identity, context })), groups: list };
}

function isIdentity(value: unknown): value is Identity {
  const { identity, context } = (value ?? {}) as Partial<Identity>;
  return typeof identity === 'string' && typeof context === 'string';
}
