import { type Difference, decided } from './difference.ts';

/** Where the checks of incoming mail are not as in KumoMTA. */
export const mailAuthDifferences: readonly Difference[] = [
  decided(
    'method',
    'message:dkim_verify',
    'The 10 signatures nearest to the top are checked. A signature whose key or body is wrong is neutral or fail as RFC 8601 has it, with the reason in words; keys below 1024 bits and rsa-sha1 give policy (RFC 8301). More than 256 KiB or 10,000 lines of headers, and a header of 2,000 lines, give permerror.',
  ),
  decided(
    'method',
    'message:arc_seal',
    'Neither Authentication-Results nor other headers of ARC are signed by ARC-Message-Signature, whatever the signer lists; expiration does not count (RFC 8617 §4.1.2).',
  ),
  decided(
    'function',
    'kumo.spf.check_host',
    'Where the sender is of another domain than the one that is asked about, macros see its local part at that domain.',
  ),
  decided(
    'function',
    'kumo.dmarc.check_msg',
    'Policies are found by the tree walk of RFC 9989, without a list of public suffixes; pct does not count. A message that fails where the policy is none has the disposition None and the result fail. Nothing is kept for aggregate reports yet: use_reporting has no effect.',
  ),
];
