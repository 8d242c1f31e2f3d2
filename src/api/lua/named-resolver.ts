import type { CallContext } from '../../model/define/index.ts';
import type { Resolver } from '../../model/index.ts';

/** The resolver that an argument names, or the one of everything. Throws for a name that is not defined. */
export function resolverFor(name: string | undefined, { host }: CallContext): Resolver {
  if (name === undefined) return host.resolver;
  const named = host.resolverNamed?.(name);
  if (named === undefined)
    throw new Error(`no resolver is defined as '${name}'; see kumo.dns.define_resolver`);
  return named;
}
