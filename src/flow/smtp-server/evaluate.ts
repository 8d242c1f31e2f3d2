import { PolicyValueError } from '../../model/define/index.ts';
import type { MaybePromise } from '../../model/index.ts';
import { formatHostPort } from '../../protocol/ip/index.ts';
import { type Answer, answer, refusalOf, technicalDifficulties } from './answer.ts';
import type { SessionContext } from './context.ts';
import { andThen } from './maybe-promise.ts';
import { parseDynamicParameters } from './session-options.ts';

const EVENT = 'smtp_server_get_dynamic_parameters';

/**
 * Asks policy for the options of a session with the addresses that it has now. The answer when policy refuses or
 * fails, such as by returning no table.
 */
export function evaluate(context: SessionContext): MaybePromise<Answer | undefined> {
  if (!context.parameters.events.handles(EVENT)) return undefined;
  const listener = formatHostPort(context.local.address, context.local.port);
  return andThen(context.fire(EVENT, [listener, context.meta]), (result) => {
    const refusal = refusalOf(result, context.hostname);
    if (refusal !== undefined) return refusal;
    try {
      context.configure(parseDynamicParameters(result.kind === 'values' ? result.values[0] : undefined));
      return undefined;
    } catch (error) {
      if (!(error instanceof PolicyValueError)) throw error;
      context.parameters.diagnostics.error('smtp_server', error.message);
      return technicalDifficulties(context.hostname);
    }
  });
}

/** RFC 5321 §4.2: the greeting, and the answer to XCLIENT. */
export function banner(context: SessionContext): Answer {
  return answer(220, '', `${context.hostname} ${context.options.banner}`);
}
