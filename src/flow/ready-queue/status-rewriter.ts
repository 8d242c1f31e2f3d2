import { showValue } from '../../model/define/index.ts';
import type { PolicyResult, QueueNameParts } from '../../model/index.ts';
import type { RewriteStatus } from '../delivery/index.ts';
import type { ReadyParts } from './parts.ts';

const EVENT = 'smtp_client_rewrite_delivery_status';

/**
 * How policy changes the codes of replies to the mail of one scheduled queue; undefined when it does not want to.
 * Nothing that it gets wrong changes a code.
 */
export function statusRewriter(
  { policy, diagnostics }: Pick<ReadyParts, 'policy' | 'diagnostics'>,
  { domain, tenant, campaign, routingDomain }: QueueNameParts,
): RewriteStatus | undefined {
  if (!policy.handles(EVENT)) return undefined;
  const code = (result: PolicyResult): number | undefined => {
    if (result.kind === 'reject') {
      diagnostics.error('ready-queue', `${EVENT} rejected: ${result.code} ${result.text}; the code stays`);
    }
    const value = result.kind === 'values' ? (result.values[0] ?? undefined) : undefined;
    if (value === undefined) return undefined;
    const number = typeof value === 'string' ? Number(value) : value;
    if (Number.isInteger(number) && (number as number) >= 200 && (number as number) <= 599)
      return number as number;
    diagnostics.error(
      'ready-queue',
      `${EVENT} must return a code from 200 to 599 and not ${showValue(value)}`,
    );
    return undefined;
  };
  return (line) => {
    const result = policy.fire(EVENT, [line, domain, tenant, campaign, routingDomain ?? domain]);
    return result instanceof Promise ? result.then(code) : code(result);
  };
}
