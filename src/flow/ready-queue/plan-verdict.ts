import type { ConnectionPlan, Outcome, RequeueReason, SourceFailure } from '../../model/index.ts';
import type { EgressPathOptions } from '../../model/options/index.ts';
import { reply } from '../../protocol/smtp/index.ts';
import type { ConnectFailure } from '../delivery/index.ts';

/** The fate of every message of a site, and why they are put back when it is a transient one. */
export interface SiteVerdict {
  outcome: Outcome;
  reasons: RequeueReason[];
}

/** A site that has no address to go to (delivery.md 8.2). */
export function planVerdict(plan: Exclude<ConnectionPlan, { kind: 'candidates' }>): SiteVerdict {
  switch (plan.kind) {
    case 'null-mx':
      return {
        outcome: { kind: 'permanent', reply: reply(556, '5.1.10', 'Recipient address has a null MX') },
        reasons: ['FailedDueToNullMx'],
      };
    case 'prohibited': {
      const text = `${plan.host} ${plan.address} is on the list of prohibited_hosts`;
      return {
        outcome: { kind: 'permanent', reply: reply(550, '5.4.4', text) },
        reasons: ['MxWasProhibited'],
      };
    }
    case 'all-skipped': {
      const text = 'KumoMTA internal: MX consisted solely of hosts on the skip_hosts list';
      return { outcome: { kind: 'transient', reply: reply(451, '4.4.4', text) }, reasons: ['MxWasSkipped'] };
    }
    case 'none': {
      const text = "MX didn't resolve to any hosts";
      return {
        outcome: { kind: 'transient', reply: reply(451, '4.4.4', text) },
        reasons: ['MxResolvedToZeroHosts'],
      };
    }
  }
}

/** Too many sessions in a row reached no host (delivery.md 8.5). */
export function unreachableVerdict(): SiteVerdict {
  const text =
    'bulk delay of ready queue: too many successive connection failures where there was no answer from any hosts listed in MX';
  return {
    outcome: { kind: 'transient', reply: reply(451, '4.4.1', text) },
    reasons: ['TooManyConnectionFailures'],
  };
}

/** No candidate gave a session: what is said of the message in hand (delivery.md 8.5). */
export function unansweredOutcome(failures: readonly ConnectFailure[], path: EgressPathOptions): Outcome {
  const all = failures.map(({ message }) => message).join(', ');
  const text = `KumoMTA internal: failed to connect to any candidate hosts: ${summaryOf(failures, path)}${all}`;
  return { kind: 'transient', reply: reply(400, '', text) };
}

/** What a failed connection says of the health of its source (delivery.md 15). */
export function sourceFailureOf({ kind }: ConnectFailure): SourceFailure | undefined {
  if (kind === 'unplumbed') return 'Unplumbed';
  return kind === 'proxy' || kind === 'proxy-unplumbed' ? 'ProxyUnhealthy' : undefined;
}

/** What the failures have in common, when an operator could do something about it. */
function summaryOf(failures: readonly ConnectFailure[], path: EgressPathOptions): string {
  const areAll = (...kinds: ConnectFailure['kind'][]): boolean =>
    failures.length > 0 && failures.every(({ kind }) => kinds.includes(kind));
  if (areAll('unplumbed')) return 'the source address is not one of this machine (all hosts): ';
  if (areAll('proxy-unplumbed')) return 'the proxy does not have the source address (all hosts): ';
  if (areAll('proxy', 'proxy-unplumbed')) return 'the proxy is what failed (all hosts): ';
  if (path.enable_tls === 'OpportunisticInsecure' && areAll('starttls', 'starttls-timeout')) {
    return 'STARTTLS is what failed with all hosts, which enable_tls=Disabled avoids: ';
  }
  return '';
}
