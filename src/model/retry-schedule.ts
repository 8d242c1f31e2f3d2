/** The options of make_queue_config that decide when a message is tried again. Milliseconds. */
export interface RetryOptions {
  retry_interval: number;
  max_retry_interval?: number | undefined;
  max_age: number;
}

/**
 * Delay in milliseconds after the failure of a message that had `attempts` attempts before this one:
 * retry_interval doubled for each, capped at max_retry_interval, plus a jitter of up to 30 s either way
 * (delivery.md section 5). Whole seconds, as KumoMTA computes it. `random` is in [0, 1).
 */
export function retryDelay(options: RetryOptions, attempts: number, random: number): number {
  const base = baseDelaySeconds(options, attempts);
  const spread = Math.min(Math.floor(options.retry_interval / 1000 / 20), 60);
  const jitter = Math.trunc((random - 0.5) * spread);
  return Math.max(base + jitter, 0) * 1000;
}

function baseDelaySeconds(options: RetryOptions, attempts: number): number {
  const interval = Math.floor(options.retry_interval / 1000);
  // 2^53 s is as good as never; without the cap a hostile attempts count overflows to Infinity.
  const doubled = Math.min(interval * 2 ** Math.min(attempts, 60), Number.MAX_SAFE_INTEGER / 1000);
  if (options.max_retry_interval === undefined) return doubled;
  return Math.min(doubled, Math.floor(options.max_retry_interval / 1000));
}

/** Whether a message created at `created` may still be tried at `due`, both in ms since the epoch. */
export function expiresBefore(options: RetryOptions, created: number, due: number): boolean {
  return due - created > options.max_age;
}

/** Delay in ms of a requeue that counts no attempt and names no delay: 0 to 59 whole seconds. */
export function uncountedDelay(random: number): number {
  return Math.floor(random * 60) * 1000;
}
