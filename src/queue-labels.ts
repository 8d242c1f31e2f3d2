import { keyOf } from './model/index.ts';

/** A queue as far as metrics go by its name, whose parts are as `parseQueueName` says. */
interface NamedQueue {
  readonly name: string;
  readonly size: number;
}

/*
 * Labels of the series that many queues share. There may be a million queues, so no part of a name is made but the one
 * that is shown. Queues without mail are passed over: they may be of tenants that are gone.
 */

/** The domain. */
export function domainOf({ name, size }: NamedQueue): string | undefined {
  if (size === 0) return undefined;
  const from = name.indexOf('@') + 1;
  const end = name.indexOf('!', from);
  return keyOf([name.slice(from, end < 0 ? name.length : end)]);
}

/** The tenant, where the name has one. */
export function tenantOf({ name, size }: NamedQueue): string | undefined {
  const at = name.indexOf('@');
  return size === 0 || at < 0 ? undefined : keyOf([name.slice(startOfTenant(name, at), at)]);
}

/** Tenant and campaign, where the name has a campaign; the tenant may be empty. */
export function campaignOf({ name, size }: NamedQueue): string | undefined {
  const at = name.indexOf('@');
  const from = size === 0 || at < 0 ? 0 : startOfTenant(name, at);
  return from === 0 ? undefined : keyOf([name.slice(from, at), name.slice(0, from - 1)]);
}

/** 0 without a campaign. */
function startOfTenant(name: string, at: number): number {
  const colon = name.indexOf(':');
  return colon < 0 || colon > at ? 0 : colon + 1;
}
