import type { MaybePromise } from '../../../model/index.ts';
import { parseXclient } from '../../../protocol/smtp/index.ts';
import { type Answer, answer } from '../answer.ts';
import type { SessionContext } from '../context.ts';
import { banner, evaluate } from '../evaluate.ts';
import { andThen } from '../maybe-promise.ts';

/**
 * A proxy that we trust names its client, as Postfix defined it. The session starts anew, with the options of the
 * client; a refusal by policy is only said (policy-api.md 1.4).
 */
export function xclient(context: SessionContext, text: string): MaybePromise<Answer> {
  if (!context.options.allow_xclient) return answer(550, '', 'insufficient authorization');
  if (context.transaction !== undefined) return answer(503, '', 'mail transaction in progress');
  const attributes = parseXclient(text);
  if (attributes === undefined) return answer(501, '', 'bad XCLIENT attribute or value');
  const { peer, local } = context;
  context.readdress(
    { address: attributes.addr ?? peer.address, port: attributes.port ?? peer.port },
    { address: attributes.destaddr ?? local.address, port: attributes.destport ?? local.port },
  );
  context.forgetHello();
  context.forgetIdentity();
  return andThen(evaluate(context), (refusal) => refusal ?? banner(context));
}
