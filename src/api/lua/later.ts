import type { CallContext } from '../../model/define/index.ts';

/** Says once per place in the policy that `what` is accepted and changes nothing in this release. */
export function warnWithoutEffect(context: CallContext, what: string): void {
  const { host } = context;
  const text = `${context.where()}: ${what} is accepted but has no effect in this release`;
  if (host.once(text)) host.diagnostics.warn('policy', text);
}

/** The same for options that were given. */
export function warnLater(context: CallContext, owner: string, later: readonly string[]): void {
  for (const name of later) warnWithoutEffect(context, `option '${name}' of kumo.${owner}`);
}
