import type { CallContext } from '../../model/define/index.ts';
import type { PolicyHost } from '../../model/index.ts';

/** What was said already, so that it is said once however often the policy runs. */
const SAID = new WeakMap<PolicyHost, Set<string>>();

/** Says once per place in the policy that `what` is accepted and changes nothing in this release. */
export function warnWithoutEffect(context: CallContext, what: string): void {
  const { host } = context;
  let said = SAID.get(host);
  if (said === undefined) {
    said = new Set();
    SAID.set(host, said);
  }
  const text = `${context.where()}: ${what} is accepted but has no effect in this release`;
  if (said.has(text)) return;
  said.add(text);
  host.diagnostics.warn('policy', text);
}

/** The same for options that were given. */
export function warnLater(context: CallContext, owner: string, later: readonly string[]): void {
  for (const name of later) warnWithoutEffect(context, `option '${name}' of kumo.${owner}`);
}
