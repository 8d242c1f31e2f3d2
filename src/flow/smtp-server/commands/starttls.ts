import type { MaybePromise } from '../../../model/index.ts';
import { type Answer, answer } from '../answer.ts';
import type { SessionContext } from '../context.ts';

/** RFC 3207 §4. After the 220 the session does the handshake; before it, keys are loaded that may be missing. */
export function starttls(context: SessionContext): MaybePromise<Answer> {
  const { identity, diagnostics } = context.parameters;
  if (identity === undefined) return answer(502, '5.5.1', 'Command unimplemented');
  if (context.tls !== undefined) return answer(503, '5.5.1', 'TLS is active already');
  return identity(context.options, context.hostname).then(
    (found) => {
      context.upgrade = found;
      return answer(220, '2.0.0', 'Ready to start TLS');
    },
    (error: Error) => {
      diagnostics.error('smtp_server', `STARTTLS: ${error.message}`);
      return answer(454, '4.7.0', 'TLS not available due to temporary reason');
    },
  );
}
