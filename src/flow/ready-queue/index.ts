export { serviceOf } from './counts.ts';
export { askOrigins, rateFact, sharedFacts } from './explain-route.ts';
export { inspectReadyQueue } from './inspect-ready-queue.ts';
export { createRouting } from './mx-routing.ts';
export type { ReadyParts } from './parts.ts';
export type { OfferVerdict, ReadyFeed } from './ready-feed.ts';
export type { ReadyQueue } from './ready-queue.ts';
export { ReadyQueues } from './ready-queues.ts';
export type { Routing, Site } from './routing.ts';
