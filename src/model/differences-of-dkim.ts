import { type Difference, decided } from './difference.ts';

/** Where signing with DKIM is not as in KumoMTA. */
export const dkimDifferences: readonly Difference[] = [
  decided(
    'function',
    'kumo.dkim.rsa_sha256_signer',
    'An unknown option is ignored as in KumoMTA, and told of once with the line and the nearest known name. RSA keys below 1024 bits are refused (RFC 8301).',
  ),
  decided(
    'function',
    'kumo.dkim.set_signing_threads',
    'Is the number of RSA signatures that a shard makes at the same time, on the threads that the process has anyway; default 4. In pre_init or init alone.',
  ),
  decided(
    'behaviour',
    'DKIM keys',
    'They are read again in a new configuration epoch too, which an edit of a key file begins, not only when ttl is over. A key that cannot be read any more stays in use, and one line names it; a Vault that does not answer holds mail up for 5 seconds.',
  ),
  decided(
    'method',
    'message:dkim_sign',
    'A bare CR or LF counts as CRLF, as which it is sent. Every From header is signed. A message that begins with white space is refused, since that would become part of the signature.',
  ),
  decided(
    'behaviour',
    'policy-extras.dkim_sign',
    'Files that name the same block are put together option by option. Domains are compared without regard to case. A From header that cannot be read is refused with 552; of several addresses the first counts. Mistakes are told all at once, with file, line and block.',
  ),
  decided(
    'behaviour',
    'validation of policy-extras.dkim_sign',
    'Reads the key of every block and tries its options in place of signing a message. Of a wildcard without filename the key depends on the mail, and is not checked.',
  ),
];
