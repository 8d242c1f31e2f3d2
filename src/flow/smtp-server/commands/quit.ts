import { type Answer, answer } from '../answer.ts';
import type { SessionContext } from '../context.ts';

/** RFC 5321 §4.1.1.10. */
export function quit(context: SessionContext): Answer {
  return answer(221, '2.0.0', `${context.hostname} closing connection`, 'ForceDisconnect');
}
