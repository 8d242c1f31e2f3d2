import type { Outcome, PolicyResult } from '../../model/index.ts';
import { reply, replyFromText } from '../../protocol/smtp/index.ts';

/** What was made of a batch, for every message of it. */
interface Verdict {
  outcome: Outcome;
  /** The connection is not to be used again. */
  closes: boolean;
  /** Policy raised an error, as it does where nobody answers. */
  isError: boolean;
}

/** What the answer of the policy makes of the messages (delivery.md section 9). */
export function verdictOn(result: PolicyResult, maker: string, method: string): Verdict {
  if (result.kind === 'reject') {
    const { code, text, disconnect } = result;
    const kind = code >= 400 && code < 500 ? 'transient' : 'permanent';
    return {
      outcome: { kind, reply: replyFromText(code, text) },
      closes: code === 421 || disconnect !== 'If421',
      isError: false,
    };
  }
  const text = result.kind === 'values' ? textOf(result.values[0]) : undefined;
  if (text !== undefined) {
    return { outcome: { kind: 'delivered', reply: reply(200, '', text) }, closes: false, isError: false };
  }
  const why =
    result.kind === 'error' ? result.message : `'${maker}': ${method} must return a string, the response`;
  const failure = reply(400, '', `KumoMTA internal: error in deliver_message: ${why}`);
  return { outcome: { kind: 'transient', reply: failure }, closes: true, isError: true };
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || Buffer.isBuffer(value) ? String(value) : undefined;
}

/** Why no connection object was made. */
export function failureText(maker: string, result: Exclude<PolicyResult, { kind: 'values' }>): string {
  switch (result.kind) {
    case 'absent':
      return `Event ${maker} has not been registered`;
    case 'reject':
      return `${maker}: ${result.code} ${result.text}`;
    case 'error':
      return `${maker}: ${result.message}`;
  }
}
