import { BroadcastChannel } from 'node:worker_threads';
import type { MaybePromise, TraceRequest, TraceSide } from '../../model/index.ts';
import type { SessionTap } from './session-tap.ts';
import { type FeedLimits, TraceFeed } from './trace-feed.ts';

/** What the shard that has the reader says to a shard with sessions; events go the other way. */
type FromReader = { kind: 'start'; request: TraceRequest } | { kind: 'more' } | { kind: 'close' };
type FromShard = { kind: 'events'; events: string[] };

/** One channel for each shard, so that nobody hears what is not for them. */
function channelOf(trace: string, shard: number): BroadcastChannel {
  const channel = new BroadcastChannel(`moonpost trace ${trace} ${shard}`);
  channel.unref();
  return channel;
}

/** The reader's ends of a trace, one for each shard. Make them before the shards make theirs. */
export function openTraceChannels(
  trace: string,
  shards: number,
  deliver: (events: readonly string[]) => MaybePromise<void>,
): { start(request: TraceRequest): void; close(): void } {
  const channels = Array.from({ length: shards }, (_, shard) => channelOf(trace, shard));
  let isClosed = false;
  for (const channel of channels) {
    channel.onmessage = async (message: unknown) => {
      const { events } = (message as { data: FromShard }).data;
      await deliver(events);
      if (!isClosed) channel.postMessage({ kind: 'more' } satisfies FromReader);
    };
  }
  const tellAll = (message: FromReader): void => {
    for (const channel of channels) channel.postMessage(message);
  };
  return {
    start: (request) => {
      if (!isClosed) tellAll({ kind: 'start', request });
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      tellAll({ kind: 'close' });
      for (const channel of channels) channel.close();
    },
  };
}

/** Feeds the reader of a trace with the sessions of a shard, until the reader is gone. */
export function serveTrace(
  { trace, side, shard }: { trace: string; side: TraceSide; shard: number },
  tap: SessionTap,
  limits: FeedLimits,
): void {
  const channel = channelOf(trace, shard);
  const feed = new TraceFeed(side, limits, (events) =>
    channel.postMessage({ kind: 'events', events } satisfies FromShard),
  );
  channel.onmessage = (message: unknown) => {
    const { data } = message as { data: FromReader };
    switch (data.kind) {
      case 'start':
        return feed.start(data.request);
      case 'more':
        return feed.more();
      case 'close':
        tap.remove(feed);
        feed.close();
        channel.close();
    }
  };
  tap.add(feed);
}
