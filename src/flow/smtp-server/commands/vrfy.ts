import { type Answer, answer } from '../answer.ts';

/**
 * VRFY, EXPN, HELP and verbs that nobody knows. RFC 5321 §7.3 lets us keep to ourselves who exists; the code is
 * the one that KumoMTA gives.
 */
export function vrfy(): Answer {
  return answer(502, '5.5.1', 'Command unimplemented');
}
