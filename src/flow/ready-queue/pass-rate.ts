import type { Throttles } from '../../model/index.ts';
import type { NamedRate } from './path-limits.ts';

/**
 * Waits out a rate whose wait is shorter than `patience` ms. `sleep` waits so many ms and tells `ended` when the
 * connection has to end meanwhile. Answers `delayed` with the wait, in ms, where it is as long as that or longer.
 */
export async function passRate(
  throttles: Throttles,
  { key, spec }: NamedRate,
  patience: () => number,
  sleep: (duration: number) => Promise<unknown>,
): Promise<'passed' | 'ended' | { delayed: number }> {
  for (;;) {
    const asked = throttles.admit(key, spec);
    const verdict = asked instanceof Promise ? await asked : asked;
    if (!verdict.throttled) return 'passed';
    const wait = verdict.retryAfter ?? 0;
    if (wait >= patience()) return { delayed: wait };
    if ((await sleep(wait)) === 'ended') return 'ended';
  }
}
