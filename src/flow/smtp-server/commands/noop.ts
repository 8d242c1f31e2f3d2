import { type Answer, answer } from '../answer.ts';

/** RFC 5321 §4.1.1.9: touches nothing, and its argument means nothing. */
export function noop(): Answer {
  return answer(250, '', 'OK');
}
