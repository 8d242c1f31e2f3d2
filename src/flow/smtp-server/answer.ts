import type { DisconnectMode, PolicyResult } from '../../model/index.ts';
import { formatEnhancedCode, type Reply, reply, replyFromText } from '../../protocol/smtp/index.ts';
import type { ReceptionAnswer } from './parameters.ts';

/** What a command comes to: the reply, and whether the connection ends after it. */
export type Answer = ReceptionAnswer;

/** `enhanced` as in RFC 3463, '' for none. A 421 closes the connection in any case (RFC 5321 §3.8). */
export function answer(
  code: number,
  enhanced: string,
  content: string,
  disconnect: DisconnectMode = 'If421',
): Answer {
  return { reply: reply(code, enhanced, content), disconnect };
}

/** Nothing is said yet; the session goes on reading. */
export const SILENCE: Answer = answer(0, '', '');

/** The connection ends, and nothing is said. */
export const DROP: Answer = answer(0, '', '', 'ForceDisconnect');

/** RFC 5321 §3.8: we go away, and not because of what the client said. */
export function shedding(hostname: string, reason: string): Answer {
  return answer(421, '4.3.2', `${hostname} ${reason}`);
}

/** What a peer hears when policy or we have failed; the log has the detail. */
export function technicalDifficulties(hostname: string): Answer {
  return answer(421, '4.3.0', `${hostname} technical difficulties`);
}

/** A handler that took too much is no reason to end the session: the client may go on, or try again later. */
export function tookTooLong(): Answer {
  return answer(451, '4.3.0', 'policy took too long. Try again later');
}

/** The answer when policy refuses or fails; undefined when it lets the command pass (policy-api.md 1.4). */
export function refusalOf(result: PolicyResult, hostname: string): Answer | undefined {
  switch (result.kind) {
    case 'absent':
    case 'values':
      return undefined;
    case 'reject':
      return { reply: replyFromText(result.code, result.text), disconnect: result.disconnect };
    case 'error':
      return result.overBudget === true ? tookTooLong() : technicalDifficulties(hostname);
  }
}

/** The text as policy knows it: without the code, with the enhanced one. */
export function replyText(value: Reply): string {
  return value.enhanced === null ? value.content : `${formatEnhancedCode(value.enhanced)} ${value.content}`;
}

/**
 * The reply as it goes over the wire. RFC 2034 §4: every line has the enhanced code. An empty text still makes a
 * line, or the client would wait for it.
 */
export function formatReply(value: Reply): string {
  const code = value.code;
  const enhanced = value.enhanced === null ? '' : `${formatEnhancedCode(value.enhanced)} `;
  const content = CONTROLS.test(value.content)
    ? value.content.replace(CONTROLS_TO_BLANK, ' ')
    : value.content;
  if (!content.includes('\n')) return `${code} ${enhanced}${content}\r\n`;
  const lines = content.split('\n');
  const last = lines.pop()!;
  let text = '';
  for (const line of lines) text += `${code}-${enhanced}${line}\r\n`;
  return `${text}${code} ${enhanced}${last}\r\n`;
}

const CONTROLS = /[\x00-\x09\x0b-\x1f\x7f]/;
const CONTROLS_TO_BLANK = /[\x00-\x09\x0b-\x1f\x7f]/g;
