export { SessionTap } from './session-tap.ts';
export { openTraceChannels, serveTrace } from './trace-channel.ts';
export { TraceFeed } from './trace-feed.ts';
