import {
  anyOf,
  boolean,
  defineOptions,
  duration,
  field,
  integer,
  list,
  type OptionsOf,
  string,
} from '../define/index.ts';

/** What every connection to Redis is told. Timeouts of limits are capped, because mail waits for them. */
const connection = {
  node: field(anyOf(string(), list(string())), {
    required: true,
    doc: 'URL of the server, such as `redis://127.0.0.1:6379/0`, `rediss://…` (TLS) or `redis+unix:///path`. A list: nodes of a cluster.',
  }),
  username: field(string(), { doc: 'Name for AUTH.' }),
  password: field(string(), { doc: 'Password for AUTH.' }),
  cluster: field(boolean(), { doc: 'The server is a cluster. Default: when `node` is a list.' }),
  read_from_replicas: field(boolean(), {
    default: false,
    doc: 'In a cluster, commands that only read may go to replicas.',
  }),
};

export const redisOptions = defineOptions(
  'redis.open',
  { luaClass: 'redis.Options', doc: 'A connection to Redis.' },
  {
    ...connection,
    pool_size: field(integer({ min: 1, max: 1000 }), {
      default: 10,
      doc: 'Most connections per shard. They are made when they are needed, and shared by all who open with the same options.',
    }),
    connect_timeout: field(duration(), { default: '5s', doc: 'For connecting, AUTH included.' }),
    wait_timeout: field(duration(), { default: '5s', doc: 'For a connection to become free.' }),
    response_timeout: field(duration(), {
      default: '30s',
      doc: 'For a reply; longer than the time that a blocking command is given.',
    }),
    recycle_timeout: field(duration(), {
      effect: 'later',
      doc: 'For the check of a connection before it is used again.',
    }),
  },
);

export type RedisOptions = OptionsOf<typeof redisOptions>;

export const redisThrottleOptions = defineOptions(
  'configure_redis_throttles',
  { luaClass: 'kumo.RedisThrottlesOptions', doc: 'The Redis that nodes share their limits in.' },
  {
    ...connection,
    pool_size: field(integer({ min: 1, max: 1000 }), {
      default: 10,
      doc: 'Accepted. Each shard has one connection and does not wait for a reply before it asks again.',
    }),
    connect_timeout: field(duration(), { default: '1s', doc: 'For connecting; at most 1 second.' }),
    response_timeout: field(duration(), {
      default: '1s',
      doc: 'For a reply; at most 1 second. Without one Redis counts as away.',
    }),
    wait_timeout: field(duration(), {
      effect: 'later',
      doc: 'For a connection to become free; nothing waits for one.',
    }),
    recycle_timeout: field(duration(), {
      effect: 'later',
      doc: 'For the check of a connection before it is used again.',
    }),
    nodes: field(integer({ min: 1, max: 10_000 }), {
      extension: true,
      doc: 'At least so many nodes share the limits. While Redis is away each keeps to its part of them. Default: as many as Redis has seen within the last hour, and 10 until it has answered once.',
    }),
  },
);

export type RedisThrottleOptions = OptionsOf<typeof redisThrottleOptions>;
