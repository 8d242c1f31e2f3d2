import { type Answer, answer } from '../answer.ts';
import type { SessionContext } from '../context.ts';

/** RFC 5321 §4.1.1.5: forgets the transaction, keeps what EHLO said. */
export function rset(context: SessionContext): Answer {
  context.transaction = undefined;
  return answer(250, '', 'OK');
}
