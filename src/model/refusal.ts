/** Why no mail is taken now, in the words of injection over HTTP (operations.md 14). */
export type Refusal = 'shutting down' | 'load shedding' | 'waiting for spool startup' | 'disk is too full';

/** What SMTP clients are told, after `421 4.3.2 HOST `. */
export function refusalOverSmtp(refusal: Refusal): string {
  if (refusal === 'shutting down') return refusal;
  return refusal === 'waiting for spool startup' ? `${refusal}. Try again soon!` : `${refusal}. Try later`;
}

/** What the check of liveness says. */
export function refusalOfLiveness(refusal: Refusal): string {
  return refusal === 'disk is too full' ? 'storage is too full' : refusal;
}
