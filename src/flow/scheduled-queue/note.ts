import type { DeliveryEvent } from '../../model/index.ts';
import type { ScheduleParts } from './parts.ts';

/**
 * Writes a record of what has happened to a message already: neither a broken log nor a slow one may have it happen
 * again, or keep the message from going on.
 */
export function note({ log, diagnostics }: ScheduleParts, event: DeliveryEvent): void {
  const report = (error: Error): void => diagnostics.error('log', error.message);
  try {
    const waiting = log.write(event);
    if (waiting instanceof Promise) waiting.catch(report);
  } catch (error) {
    report(error as Error);
  }
}
