import type { MaybePromise } from '../../model/index.ts';

/** `value.then(next)` without a promise where there was none. */
export function andThen<T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
