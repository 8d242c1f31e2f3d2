import { PolicyValueError } from '../define/index.ts';
import type { Json } from '../json.ts';
import { parseToml } from '../texts/index.ts';
import { AccessControlList, type AccessRule, isTable, only, readIdentity, readTerm } from './access-rule.ts';
import { TRUSTED_GROUP } from './auth-info.ts';

/** Rules by resource. May be memoized. */
export class AccessMap {
  readonly keepable = true;
  readonly #lists: ReadonlyMap<string, AccessControlList>;

  constructor(rules: ReadonlyMap<string, readonly AccessRule[]>) {
    this.#lists = new Map([...rules].map(([resource, own]) => [resource, new AccessControlList(own)]));
  }

  get(resource: string): AccessControlList | undefined {
    return this.#lists.get(resource);
  }
}

/**
 * An ACL file (operations.md 2.4): TOML with `[[acl."RESOURCE"]]`, each with `allow`, `privileges`, and `identity` or
 * `criteria`. Throws PolicyValueError naming the place.
 */
export function parseAccessFile(text: string): AccessMap {
  const { acl } = only(parseToml(text) as Json, ['acl'], 'the file');
  if (acl === undefined || !isTable(acl)) throw new PolicyValueError('acl: expected a table of resources');
  const rules = new Map<string, AccessRule[]>();
  for (const [resource, entries] of Object.entries(acl)) {
    const at = `acl."${resource}"`;
    if (!Array.isArray(entries)) throw new PolicyValueError(`${at}: expected [[${at}]]`);
    rules.set(
      resource,
      entries.flatMap((entry, index) => rulesOf(entry, `${at}[${index + 1}]`)),
    );
  }
  return new AccessMap(rules);
}

function rulesOf(entry: Json, at: string): AccessRule[] {
  const { allow, privileges, identity, criteria } = only(
    entry,
    ['allow', 'privileges', 'identity', 'criteria'],
    at,
  );
  if (typeof allow !== 'boolean') throw new PolicyValueError(`${at}.allow: expected true or false`);
  if (!Array.isArray(privileges) || !privileges.every((one) => typeof one === 'string')) {
    throw new PolicyValueError(`${at}.privileges: expected a list of strings`);
  }
  if ((identity === undefined) === (criteria === undefined)) {
    throw new PolicyValueError(`${at}: expected either identity or criteria`);
  }
  const term =
    identity === undefined
      ? readTerm(criteria, `${at}.criteria`)
      : { Identity: readIdentity(identity, `${at}.identity`) };
  return privileges.map((privilege) => ({ criteria: term, privilege, access: allow ? 'Allow' : 'Deny' }));
}

const ANYONE = { Identity: { Any: {} } };
const TRUSTED = { Identity: { Group: TRUSTED_GROUP } };
const SENDERS = { AnyOf: [TRUSTED, { Identity: { Authenticated: {} } }] };

function may(criteria: AccessRule['criteria'], ...privileges: string[]): AccessRule[] {
  return privileges.map((privilege) => ({ criteria, privilege, access: 'Allow' }));
}

/** What holds where policy says nothing else (operations.md 2.4). */
export const builtInAccess = new AccessMap(
  new Map<string, AccessRule[]>([
    ['http_listener/*/api/check-liveness', may(ANYONE, 'GET')],
    ['http_listener/*/rapidoc', may(ANYONE, 'GET')],
    ['http_listener/*/api-docs/openapi.json', may(ANYONE, 'GET')],
    ['http_listener/*/api/inject', may(SENDERS, 'POST')],
    ['http_listener/*/api/admin', may(TRUSTED, 'GET', 'DELETE', 'POST')],
    ['http_listener/*/api/machine-info', may(TRUSTED, 'GET')],
    ['http_listener/*/metrics', may(TRUSTED, 'GET')],
    ['http_listener/*/metrics.json', may(TRUSTED, 'GET')],
    ['http_listener/*/api/xfer', may(TRUSTED, 'POST')],
  ]),
);
