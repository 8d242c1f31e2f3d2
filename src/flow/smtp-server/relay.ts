import type { MaybePromise, RelayFacts, RelayFailure } from '../../model/index.ts';
import { ListenerDomain } from '../../model/options/index.ts';
import { CidrSet, formatHostPort } from '../../protocol/ip/index.ts';
import type { EnvelopeAddress } from '../../protocol/smtp/index.ts';
import type { SessionContext } from './context.ts';
import { andThen } from './maybe-promise.ts';
import { isRelayHost } from './session-options.ts';

/** Domains that one session remembers; a client that names more asks policy again. */
const REMEMBERED_DOMAINS = 16;

/** A rejection is a failure like any other error (policy-api.md 1.4). */
type DomainAnswer = ListenerDomain | undefined | RelayFailure;
export type ListenerDomains = Map<string, ListenerDomain | undefined>;

/** What the client may do with mail from `sender` to `recipient`; a failure when policy could not say. */
export function relayFacts(
  context: SessionContext,
  sender: EnvelopeAddress,
  recipient: EnvelopeAddress,
): MaybePromise<RelayFacts | RelayFailure> {
  const isTrusted = isRelayHost(context.options, context.peer.address);
  if (!context.parameters.events.handles('get_listener_domain')) return isTrusted ? RELAYS : REFUSES;
  return andThen(listenerDomain(context, sender.domain), (from) => {
    if (isFailure(from)) return from;
    return andThen(listenerDomain(context, recipient.domain), (to) => {
      if (isFailure(to)) return to;
      const relays =
        isTrusted ||
        (from !== undefined && new CidrSet(from.options.relay_from).has(context.peer.address)) ||
        to?.options.relay_to === true;
      return { relays, logArf: to?.options.log_arf ?? 'Ignore', logOob: to?.options.log_oob ?? 'Ignore' };
    });
  });
}

function isFailure(answer: DomainAnswer): answer is RelayFailure {
  return typeof answer === 'string';
}

const RELAYS: RelayFacts = { relays: true, logArf: 'Ignore', logOob: 'Ignore' };
const REFUSES: RelayFacts = { ...RELAYS, relays: false };

/** Whether a recipient may be named. Where reports are logged anybody may; what is no report is refused later. */
export function mayAddress({ relays, logArf, logOob }: RelayFacts): boolean {
  return relays || logArf !== 'Ignore' || logOob !== 'Ignore';
}

/** Asks policy about a domain as it was written, once per session. The null sender has none. */
function listenerDomain(context: SessionContext, domain: string): MaybePromise<DomainAnswer> {
  if (domain === '') return undefined;
  context.listenerDomains ??= new Map();
  const known = context.listenerDomains;
  if (known.has(domain)) return known.get(domain);
  const via = formatHostPort(context.local.address, context.local.port);
  return andThen(context.fire('get_listener_domain', [domain, via, context.meta]), (result): DomainAnswer => {
    if (result.kind === 'error' && result.overBudget === true) return 'stopped';
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
