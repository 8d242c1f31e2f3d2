import type { Preview } from '../../model/index.ts';

/** Anything else as `dry_run` is answered 422. */
class DryRunError extends Error {
  readonly statusCode = 422;
}

/** Whether the request only asks what it would do, and the rest of it. */
export function splitDryRun(body: unknown): { dryRun: boolean; body: unknown } {
  if (typeof body !== 'object' || body === null || !('dry_run' in body)) return { dryRun: false, body };
  const { dry_run: dryRun, ...rest } = body;
  if (typeof dryRun !== 'boolean') throw new DryRunError('dry_run: expected a boolean');
  return { dryRun, body: rest };
}

/** The answer to such a request, an extension of ours: what would be touched, with a few of it. */
export function describePreview({ messages, queues, deepest, sample }: Preview): object {
  return { dry_run: true, messages, queues, sample_queues: deepest, sample_messages: sample };
}
