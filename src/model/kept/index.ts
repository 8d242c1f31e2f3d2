export * from './cidr-map.ts';
export * from './counter-series.ts';
export * from './domain-map.ts';
export * from './kept-value.ts';
export * from './memo-cache.ts';
export * from './message-queues.ts';
