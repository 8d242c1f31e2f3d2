import type { AuthInfo } from '../connection-meta.ts';
import type { MaybePromise } from '../json.ts';
import type { PolicyResult } from '../policy-events.ts';
import type { PolicyHost } from '../policy-host.ts';
import { builtInAccess } from './access-map.ts';
import { AccessControlList, type AccessRule } from './access-rule.ts';
import { ExpiringCache } from './expiring-cache.ts';
import type { AccessResource } from './resource.ts';

/** What was decided, and by what. Without a rule nothing was said, so it is refused. */
export interface AccessVerdict {
  allow: boolean;
  rule?: AccessRule;
  /** Where the rule stands. */
  resource?: string;
  /** Resources whose rules were looked at, in order. */
  considered: readonly string[];
}

export interface AccessSettings {
  /** Milliseconds for which the rules of a resource are kept, and verdicts. Default 300. */
  aclTtl?: number | undefined;
  checkTtl?: number | undefined;
  /** Whether the built-in rules hold for resources of which policy says nothing. Default true. */
  fallBack?: boolean | undefined;
}

export interface AccessControlParts {
  /** What policy set. */
  settings: () => AccessSettings;
  /** Monotonic milliseconds. */
  now: () => number;
  /** Number of the configuration epoch: what an earlier policy said does not count. */
  epoch: () => number;
}

const TTL = 300;
const MOST_LISTS = 1024;
const MOST_VERDICTS = 1024;
const EVENT = 'get_acl_definition';

/** The policy could not say what is allowed. */
export class AccessError extends Error {}

export type FireEvent = (event: string, args: readonly unknown[]) => MaybePromise<PolicyResult>;

/** Decides who may do what: asks policy, then the built-in rules, for each resource from the nearest outward. */
export class AccessControl {
  readonly #parts: AccessControlParts;
  readonly #lists: ExpiringCache<AccessControlList | null>;
  readonly #verdicts: ExpiringCache<AccessVerdict>;

  constructor(parts: AccessControlParts) {
    this.#parts = parts;
    const { settings, now, epoch } = parts;
    this.#lists = new ExpiringCache({ max: MOST_LISTS, ttl: () => settings().aclTtl ?? TTL, now, epoch });
    this.#verdicts = new ExpiringCache({
      max: MOST_VERDICTS,
      ttl: () => settings().checkTtl ?? TTL,
      now,
      epoch,
    });
  }

  /** Throws AccessError when the policy fails. */
  decide(
    resource: AccessResource,
    who: AuthInfo,
    privilege: string,
    fire: FireEvent,
  ): MaybePromise<AccessVerdict> {
    const key = JSON.stringify([privilege, resource.name, who]);
    return this.#verdicts.get(key) ?? this.#look(resource, who, privilege, fire, key);
  }

  async #look(
    resource: AccessResource,
    who: AuthInfo,
    privilege: string,
    fire: FireEvent,
    key: string,
  ): Promise<AccessVerdict> {
    const epoch = this.#parts.epoch();
    const verdict = await this.#search(resource, who, privilege, fire);
    this.#verdicts.set(key, verdict, epoch);
    return verdict;
  }

  async #search(
    { chain }: AccessResource,
    who: AuthInfo,
    privilege: string,
    fire: FireEvent,
  ): Promise<AccessVerdict> {
    for (const [index, name] of chain.entries()) {
      const rule = (await this.#listOf(name, fire))?.find(who, privilege);
      if (rule === undefined) continue;
      const considered = chain.slice(0, index + 1);
      return { allow: rule.access === 'Allow', rule, resource: name, considered };
    }
    return { allow: false, considered: chain };
  }

  async #listOf(name: string, fire: FireEvent): Promise<AccessControlList | null> {
    const known = this.#lists.get(name);
    if (known !== undefined) return known;
    const epoch = this.#parts.epoch();
    const list = (await askPolicy(name, fire)) ?? this.#builtIn(name) ?? null;
    this.#lists.set(name, list, epoch);
    return list;
  }

  #builtIn(name: string): AccessControlList | undefined {
    return (this.#parts.settings().fallBack ?? true) ? builtInAccess.get(name) : undefined;
  }
}

async function askPolicy(name: string, fire: FireEvent): Promise<AccessControlList | undefined> {
  const result = await fire(EVENT, [name]);
  switch (result.kind) {
    case 'absent':
      return undefined;
    case 'error':
      throw new AccessError(result.message);
    case 'reject':
      throw new AccessError(`${EVENT}: ${result.code} ${result.text}`);
    case 'values': {
      const [value] = result.values;
      if (value === undefined || value === null) return undefined;
      if (value instanceof AccessControlList) return value;
      throw new AccessError(`${EVENT} must return what kumo.aaa.make_access_control_list makes, or nil`);
    }
  }
}

const controls = new WeakMap<object, AccessControl>();

/** The one of a Lua state owner, for its policy and its listeners alike. */
export function accessControl(host: Pick<PolicyHost, 'clock' | 'declared' | 'configEpoch'>): AccessControl {
  let control = controls.get(host);
  if (control === undefined) {
    control = new AccessControl({
      settings: () => ({
        aclTtl: host.declared?.('aaa.set_acl_cache_ttl') as number | undefined,
        checkTtl: host.declared?.('aaa.set_check_cache_ttl') as number | undefined,
        fallBack: host.declared?.('aaa.set_fall_back_to_acl_map') as boolean | undefined,
      }),
      now: () => host.clock.monotonic(),
      epoch: () => host.configEpoch?.() ?? 0,
    });
    controls.set(host, control);
  }
  return control;
}
