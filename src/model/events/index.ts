import type { EventDeclaration } from '../define/index.ts';
import { deliveryEvents } from './delivery.ts';
import { explainEvents } from './explain.ts';
import { httpEvents } from './http.ts';
import { lifecycleEvents } from './lifecycle.ts';
import { chosenEvents, loggingEvents } from './logging.ts';
import { smtpServerEvents } from './smtp-server.ts';

/** Every event that policies can handle, in the order of the life of a message. */
export const events: readonly EventDeclaration[] = [
  ...lifecycleEvents,
  ...smtpServerEvents,
  ...httpEvents,
  ...deliveryEvents,
  ...loggingEvents,
  ...explainEvents,
];

export { ORIGIN_TYPE } from './explain.ts';
export { chosenEvents };

const byName: ReadonlyMap<string, EventDeclaration> = new Map(events.map((event) => [event.name, event]));

/** The declaration of an event; undefined for an event of the policy's own. */
export function eventNamed(name: string): EventDeclaration | undefined {
  return byName.get(name);
}

/** Events for which several handlers may be registered (policy-api.md 1.3). */
export const multipleEvents: ReadonlySet<string> = new Set(
  events.filter((event) => event.multiple).map((event) => event.name),
);
