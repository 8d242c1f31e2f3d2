import { CidrError, CidrSet, isIpAddress, parseIp } from '../../protocol/ip/index.ts';
import type { AuthInfo } from '../connection-meta.ts';
import { PolicyValueError } from '../define/index.ts';
import type { Json } from '../json.ts';

/** Who a rule is about, as policies, files and records write it. */
export type AccessTerm =
  | { AllOf: AccessTerm[] }
  | { AnyOf: AccessTerm[] }
  | { Not: AccessTerm }
  | { Identity: AccessIdentity };

export type AccessIdentity =
  | { Individual: string }
  | { Group: string }
  | { Machine: string }
  | { MachineSet: string[] }
  | { Any: Record<string, never> }
  | { Authenticated: Record<string, never> }
  | { Unauthenticated: Record<string, never> };

/** May, or may not, do one thing. A privilege of the HTTP listener is a method. */
export interface AccessRule {
  criteria: AccessTerm;
  privilege: string;
  access: 'Allow' | 'Deny';
}

type Criterion = (who: AuthInfo) => boolean;

/** Terms may stand this deep inside each other. */
const DEEPEST = 32;

/** Rules in order, of one resource. The first whose criteria and privilege match decides. May be memoized. */
export class AccessControlList {
  readonly keepable = true;
  readonly rules: readonly AccessRule[];
  readonly #criteria: readonly Criterion[];

  constructor(rules: readonly AccessRule[]) {
    this.rules = rules;
    this.#criteria = rules.map(({ criteria }) => criterionOf(criteria));
  }

  /** The rule that decides; undefined when none is about it. */
  find(who: AuthInfo, privilege: string): AccessRule | undefined {
    return this.rules.find((rule, index) => rule.privilege === privilege && this.#criteria[index]!(who));
  }
}

/** A list of `{criteria, privilege, access}`. Throws PolicyValueError naming the place. */
export function readAccessRules(value: Json, at: string): AccessRule[] {
  if (!Array.isArray(value)) {
    if (isTable(value) && Object.keys(value).length === 0) return [];
    throw new PolicyValueError(`${at}: expected a list of rules`);
  }
  return value.map((given, index) => {
    const place = `${at}[${index + 1}]`;
    const { criteria, privilege, access } = only(given, ['criteria', 'privilege', 'access'], place);
    if (typeof privilege !== 'string') throw new PolicyValueError(`${place}.privilege: expected a string`);
    if (access !== 'Allow' && access !== 'Deny') {
      throw new PolicyValueError(`${place}.access: expected Allow or Deny`);
    }
    return { criteria: readTerm(criteria, `${place}.criteria`), privilege, access };
  });
}

/** Throws PolicyValueError naming the place. */
export function readTerm(value: Json | undefined, at: string, left = DEEPEST): AccessTerm {
  if (left === 0) throw new PolicyValueError(`${at}: terms nest deeper than ${DEEPEST} levels`);
  const [kind, inner] = single(value, ['Identity', 'AllOf', 'AnyOf', 'Not'], at);
  const below = `${at}.${kind}`;
  if (kind === 'Identity') return { Identity: readIdentity(inner, below) };
  if (kind === 'Not') return { Not: readTerm(inner, below, left - 1) };
  if (!Array.isArray(inner)) throw new PolicyValueError(`${below}: expected a list of terms`);
  const terms = inner.map((term, index) => readTerm(term, `${below}[${index + 1}]`, left - 1));
  return kind === 'AllOf' ? { AllOf: terms } : { AnyOf: terms };
}

/** `{Group = 'name'}`; those without a value are `{Any = {}}` or just `'Any'`. Throws PolicyValueError. */
export function readIdentity(value: Json | undefined, at: string): AccessIdentity {
  const named = typeof value === 'string' && BARE.includes(value) ? { [value]: {} } : value;
  const [kind, inner] = single(named, [...BARE, 'Individual', 'Group', 'Machine', 'MachineSet'], at);
  if (BARE.includes(kind)) return { [kind]: {} } as AccessIdentity;
  if (kind === 'MachineSet') return { MachineSet: readBlocks(inner, `${at}.MachineSet`) };
  if (typeof inner !== 'string') throw new PolicyValueError(`${at}.${kind}: expected a string`);
  if (kind === 'Machine' && !isIpAddress(inner)) {
    throw new PolicyValueError(`${at}.Machine: '${inner}' is no IP address`);
  }
  return { [kind]: inner } as AccessIdentity;
}

const BARE = ['Any', 'Authenticated', 'Unauthenticated'];

function readBlocks(value: Json | undefined, at: string): string[] {
  if (!Array.isArray(value))
    throw new PolicyValueError(`${at}: expected a list of IP addresses and CIDR blocks`);
  try {
    new CidrSet(value.map(String));
  } catch (error) {
    if (error instanceof CidrError) throw new PolicyValueError(`${at}: ${error.message}`);
    throw error;
  }
  return value.map(String);
}

function criterionOf(term: AccessTerm): Criterion {
  if ('Identity' in term) return identityCriterion(term.Identity);
  if ('Not' in term) {
    const inner = criterionOf(term.Not);
    return (who) => !inner(who);
  }
  if ('AllOf' in term) {
    const all = term.AllOf.map(criterionOf);
    return (who) => all.every((one) => one(who));
  }
  const some = term.AnyOf.map(criterionOf);
  return (who) => some.some((one) => one(who));
}

function identityCriterion(identity: AccessIdentity): Criterion {
  if ('Any' in identity) return () => true;
  if ('Authenticated' in identity) return (who) => who.identities.length > 0;
  if ('Unauthenticated' in identity) return (who) => who.identities.length === 0;
  if ('Individual' in identity) {
    return (who) => who.identities.some((one) => one.identity === identity.Individual);
  }
  if ('Group' in identity) return (who) => who.groups.includes(identity.Group);
  const blocks = new CidrSet('Machine' in identity ? [identity.Machine] : identity.MachineSet);
  return ({ peer_address: peer }) => peer !== undefined && parseIp(peer) !== undefined && blocks.has(peer);
}

/** The one key of a table and what stands there. */
function single(value: Json | undefined, kinds: readonly string[], at: string): [string, Json] {
  const keys = isTable(value) ? Object.keys(value) : [];
  if (keys.length === 1 && kinds.includes(keys[0]!))
    return [keys[0]!, (value as { [key: string]: Json })[keys[0]!]!];
  throw new PolicyValueError(`${at}: expected a table with one of ${kinds.join(', ')}`);
}

/** A table with no other keys than these. Throws PolicyValueError. */
export function only(
  value: Json | undefined,
  keys: readonly string[],
  at: string,
): { [key: string]: Json | undefined } {
  if (!isTable(value)) throw new PolicyValueError(`${at}: expected a table`);
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown === undefined) return value;
  throw new PolicyValueError(`${at}: unknown field \`${unknown}\`, known are ${keys.join(', ')}`);
}

export function isTable(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
