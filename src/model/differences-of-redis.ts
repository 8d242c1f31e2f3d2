import { type Difference, decided, extension } from './difference.ts';

export const redisDifferences: readonly Difference[] = [
  decided(
    'behaviour',
    'Redis away at the start',
    'kumo.configure_redis_throttles warns and the server starts; each node keeps to its part of the limits until Redis answers. A server that refuses the name or the password is an error as in KumoMTA.',
  ),
  decided(
    'behaviour',
    'Redis away while mail flows',
    'After 1 second at most, mail goes on at the part of this node: one of as many as Redis has seen nodes within the last hour (option `nodes`). Neither the change nor the way back allows a burst. For a node that alone cannot reach Redis the same holds: its part then comes on top of what the others send. One line says that it went and one that it is back; the metric is redis_throttles_away.',
  ),
  decided(
    'behaviour',
    'connection limits while Redis is away',
    'Each node has its part of every limit; connections beyond it end after their message, and new ones wait 5 seconds. Parts change places every minute, so that a limit smaller than the number of nodes serves all.',
  ),
  decided(
    'behaviour',
    'throttles over Redis',
    'They admit as many at once as throttles without Redis, with redis-cell too, and the script counts in microseconds instead of whole seconds. Keys and their text are those of KumoMTA.',
  ),
  decided(
    'behaviour',
    'leases over Redis',
    'The slots of a node that is gone are free after 60 seconds; those that are held are extended every 20 seconds.',
  ),
  decided('behaviour', 'names of options of redis.open', 'An unknown option is an error here too.'),
  decided(
    'option',
    'configure_redis_throttles.pool_size',
    'Accepted; each shard has one connection on which commands do not wait for one another.',
  ),
  extension(
    'option',
    'configure_redis_throttles.nodes',
    'How many nodes share the limits at least, for the time in which Redis is away.',
  ),
  extension('metric', 'redis_throttles_away', 'Shards that do without Redis now.'),
];
