import { showValue } from '../../model/define/index.ts';
import type { MaybePromise, PolicyResult } from '../../model/index.ts';
import { replyFromText } from '../../protocol/smtp/index.ts';
import { type Answer, replyText } from './answer.ts';
import type { SessionContext } from './context.ts';
import { andThen } from './maybe-promise.ts';

const EVENT = 'smtp_server_rewrite_response';

/** Lets policy change code and text of a reply. Its errors are logged by the engine and change nothing. */
export function rewriteReply(context: SessionContext, value: Answer): MaybePromise<Answer> {
  if (!context.parameters.events.handles(EVENT)) return value;
  const { reply } = value;
  const args = [reply.code, replyText(reply), commandArgument(reply.command), context.meta];
  return andThen(context.fire(EVENT, args), (result) => rewritten(context, value, result));
}

function rewritten(context: SessionContext, value: Answer, result: PolicyResult): Answer {
  if (result.kind === 'reject') {
    context.parameters.diagnostics.error('smtp_server', `${EVENT} rejected; the reply stays as it was`);
  }
  if (result.kind !== 'values') return value;
  const { reply } = value;
  const [status = null, text = null] = result.values;
  const code = status === null ? reply.code : codeOf(status);
  const isText = text === null || typeof text === 'string' || typeof text === 'number';
  if (code === undefined || !isText) {
    const wanted = isText ? `a status from 200 to 599 and not ${showValue(status)}` : 'a text';
    context.parameters.diagnostics.error('smtp_server', `${EVENT} must return ${wanted}; nothing is changed`);
    return value;
  }
  const changed = text === null ? replyText(reply) : String(text);
  return { ...value, reply: { ...replyFromText(code, changed), command: reply.command } };
}

/** Policy gets `DATA` for the end of a message, otherwise the line without its end (policy-api.md 1.5). */
function commandArgument(command: string | null): string | undefined {
  if (command === null) return undefined;
  return command === '.\r\n' ? 'DATA' : command.slice(0, -2);
}

function codeOf(status: unknown): number | undefined {
  if (typeof status !== 'number' && typeof status !== 'string') return undefined;
  const code = Number(status);
  return Number.isInteger(code) && code >= 200 && code <= 599 ? code : undefined;
}
