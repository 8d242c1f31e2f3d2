import {
  type ExplainFacts,
  earliestStates,
  type InspectionRequests,
  type SharedFacts,
} from './model/index.ts';
import type { ShardPool } from './shard-pool.ts';

type Asked = InspectionRequests['explain']['asked'];

/** What the shards know of a message, or of a queue; undefined for a message that none has. */
export async function explainProcess(asked: Asked, shards: ShardPool): Promise<ExplainFacts | undefined> {
  let all = await factsOf(asked, shards);
  // Nobody has the queue: what it would be.
  if (all.length === 0 && asked.about.kind !== 'message') {
    all = (await factsOf({ ...asked, even: true }, shards)).slice(0, 1);
  }
  const facts = busiest(all);
  if (facts === undefined) return undefined;
  const ready = (facts.route?.sources ?? []).flatMap((source) => source.ready ?? []);
  const shared = mergeShared(
    await shards.askAll('explain-shared', {
      readyQueues: ready.map(({ name }) => name),
      limits: ready.flatMap(({ limits }) => limits.map(({ key }) => key)),
    }),
  );
  return withShared(await withSizes(facts, all, shards), shared);
}

async function factsOf(asked: Asked, shards: ShardPool): Promise<ExplainFacts[]> {
  return (await shards.askAll('explain', asked)).flatMap(({ facts }) => facts ?? []);
}

/** Of a queue in several shards the one where most waits. */
function busiest(all: readonly ExplainFacts[]): ExplainFacts | undefined {
  return all.toSorted(
    (one, other) => other.queue.line - one.queue.line || other.queue.size - one.queue.size,
  )[0];
}

/** With the messages of the queue in every shard. */
async function withSizes(
  facts: ExplainFacts,
  all: readonly ExplainFacts[],
  shards: ShardPool,
): Promise<ExplainFacts> {
  const { name } = facts.queue;
  const sizes =
    facts.message === undefined
      ? all.map(({ queue }) => queue.size)
      : (await shards.askAll('inspect-queue', { name, limit: 0, wantBody: false })).map(
          (part) => part?.size ?? 0,
        );
  const size = Math.max(
    facts.queue.size,
    sizes.reduce((sum, own) => sum + own, 0),
  );
  return { ...facts, queue: { ...facts.queue, size } };
}

function withShared(facts: ExplainFacts, { readyQueues, holders }: SharedFacts): ExplainFacts {
  if (facts.route === undefined) return facts;
  const sources = facts.route.sources.map((source) => {
    if (source.ready === undefined) return source;
    const { ready } = source;
    const all = readyQueues.get(ready.name);
    const limits = ready.limits.map((limit) => ({ ...limit, holders: holders.get(limit.key) ?? [] }));
    const connections = all?.connections ?? ready.connections;
    const states = earliestStates([ready.states, all?.states ?? {}]);
    return { ...source, ready: { ...ready, limits, connections, states } };
  });
  return { ...facts, route: { ...facts.route, sources } };
}

/** What all shards together have. */
export function mergeShared(parts: readonly SharedFacts[]): SharedFacts {
  const readyQueues: Map<string, { length: number; connections: number; states: object }> = new Map();
  const counted = new Map<string, Map<string, number>>();
  for (const part of parts) {
    for (const [name, { length, connections, states }] of part.readyQueues) {
      const before = readyQueues.get(name);
      readyQueues.set(name, {
        length: length + (before?.length ?? 0),
        connections: connections + (before?.connections ?? 0),
        states: earliestStates([before?.states ?? {}, states]),
      });
    }
    for (const [key, list] of part.holders) {
      const byQueue = counted.get(key) ?? new Map<string, number>();
      for (const { queue, connections } of list) {
        byQueue.set(queue, (byQueue.get(queue) ?? 0) + connections);
      }
      counted.set(key, byQueue);
    }
  }
  const holders = new Map(
    [...counted].map(([key, byQueue]) => [
      key,
      [...byQueue]
        .map(([queue, connections]) => ({ queue, connections }))
        .sort((one, other) => other.connections - one.connections),
    ]),
  );
  return { readyQueues, holders };
}
