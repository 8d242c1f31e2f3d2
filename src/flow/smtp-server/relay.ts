import type { MaybePromise } from '../../model/index.ts';
import { ListenerDomain } from '../../model/options/index.ts';
import { CidrSet, formatHostPort } from '../../protocol/ip/index.ts';
import type { EnvelopeAddress } from '../../protocol/smtp/index.ts';
import type { SessionContext } from './context.ts';
import { andThen } from './maybe-promise.ts';
import { isRelayHost } from './session-options.ts';

/** Domains that one session remembers; a client that names more asks policy again. */
const REMEMBERED_DOMAINS = 16;

/** `failed`: policy raised an error or a rejection, which get_listener_domain cannot (policy-api.md 1.4). */
type DomainAnswer = ListenerDomain | undefined | 'failed';
export type ListenerDomains = Map<string, ListenerDomain | undefined>;
export type RelayVerdict = 'allowed' | 'refused' | 'failed';

/** Whether the client may send to `recipient` (policy-api.md 1.5). A domain that takes reports is let through too. */
export function checkRelay(
  context: SessionContext,
  sender: EnvelopeAddress,
  recipient: EnvelopeAddress,
): MaybePromise<RelayVerdict> {
  const isTrusted = isRelayHost(context.options, context.peer.address);
  if (!context.parameters.events.handles('get_listener_domain')) return isTrusted ? 'allowed' : 'refused';
  return andThen(listenerDomain(context, sender.domain), (from) => {
    if (from === 'failed') return 'failed';
    return andThen(listenerDomain(context, recipient.domain), (to) => {
      if (to === 'failed') return 'failed';
      const allowed =
        isTrusted ||
        (from !== undefined && new CidrSet(from.options.relay_from).has(context.peer.address)) ||
        (to !== undefined && takesMail(to));
      return allowed ? 'allowed' : 'refused';
    });
  });
}

function takesMail(domain: ListenerDomain): boolean {
  const { relay_to, log_arf, log_oob } = domain.options;
  return relay_to || log_arf !== 'Ignore' || log_oob !== 'Ignore';
}

/** Asks policy about a domain as it was written, once per session. The null sender has none. */
function listenerDomain(context: SessionContext, domain: string): MaybePromise<DomainAnswer> {
  if (domain === '') return undefined;
  context.listenerDomains ??= new Map();
  const known = context.listenerDomains;
  if (known.has(domain)) return known.get(domain);
  const via = formatHostPort(context.local.address, context.local.port);
  return andThen(context.fire('get_listener_domain', [domain, via, context.meta]), (result): DomainAnswer => {
    if (result.kind === 'reject' || result.kind === 'error') return 'failed';
    const value = result.kind === 'values' ? (result.values[0] ?? undefined) : undefined;
    if (value !== undefined && !(value instanceof ListenerDomain)) {
      context.parameters.diagnostics.error('smtp_server', 'get_listener_domain returned no listener domain');
      return 'failed';
    }
    if (known.size >= REMEMBERED_DOMAINS) known.delete(known.keys().next().value!);
    known.set(domain, value);
    return value;
  });
}
