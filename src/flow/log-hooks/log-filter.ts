import type { MaybePromise, Message, PolicyEvents, PolicyResult } from '../../model/index.ts';

/**
 * What the event of `filter_event` says of a message: true alone logs it. An error, a refusal or no handler does
 * not; the engine reports errors.
 */
export function passesLogFilter(
  policy: PolicyEvents,
  event: string,
  message: Message,
): MaybePromise<boolean> {
  const result = policy.fire(event, [message]);
  return result instanceof Promise ? result.then(isTrue) : isTrue(result);
}

function isTrue(result: PolicyResult): boolean {
  return result.kind === 'values' && result.values[0] === true;
}
