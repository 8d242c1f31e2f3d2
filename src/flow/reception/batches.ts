import type { EnvelopeAddress } from '../../protocol/smtp/index.ts';

/** How the recipients of one transaction become messages (policy-api.md 6.1, batch_handling). */
export function splitRecipients(
  recipients: readonly EnvelopeAddress[],
  handling: 'BifurcateAlways' | 'BatchByDomain',
): EnvelopeAddress[][] {
  if (handling === 'BifurcateAlways') return recipients.map((recipient) => [recipient]);
  const byDomain = new Map<string, EnvelopeAddress[]>();
  for (const recipient of recipients) {
    const domain = recipient.domain.toLowerCase();
    const batch = byDomain.get(domain);
    if (batch === undefined) byDomain.set(domain, [recipient]);
    else batch.push(recipient);
  }
  return [...byDomain.values()];
}
