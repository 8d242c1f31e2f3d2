import { describeEndpoint, pingRedis, RedisPool, type RedisReply, redisPool } from '../../io/redis/index.ts';
import {
  defineFunction,
  defineMethod,
  defineModule,
  defineObject,
  optionsArgument,
  refuse,
  string,
  typeOfValue,
  type UnnamedFunction,
  unchecked,
} from '../../model/define/index.ts';
import { redisOptions, redisThrottleOptions } from '../../model/options/index.ts';
import { warnLater } from './later.ts';

export const redisModule = defineModule(
  'redis',
  { doc: "Redis: `local redis = require 'redis'`." },
  {
    open: defineFunction({
      params: { options: optionsArgument(redisOptions) },
      returns: 'redis_connection',
      doc: 'Gives a connection to Redis; it is made by the first query. Equal options share their connections.',
      call: ({ options: { options, later } }, context) => {
        warnLater(context, 'redis.open', later);
        return redisPool(options);
      },
    }),
  },
);

/** Words of a command. Tables become what is in them, names before their values. */
function* wordsOf(value: unknown, at: string): Generator<string | Buffer> {
  if (typeof value === 'string' || Buffer.isBuffer(value)) yield value;
  else if (typeof value === 'number') yield String(value);
  else if (typeof value === 'boolean') yield value ? '1' : '0';
  else if (Array.isArray(value))
    for (const [index, one] of value.entries()) yield* wordsOf(one, `${at}[${index + 1}]`);
  else if (typeOfValue(value) === 'table') {
    for (const [name, one] of Object.entries(value as object)) {
      yield name;
      yield* wordsOf(one, `${at}.${name}`);
    }
  } else refuse(at, 'a string, a number, a boolean or a table of them', value);
}

function replyForLua(reply: RedisReply): unknown {
  if (reply === null) return undefined;
  if (reply === 'OK') return true;
  return Array.isArray(reply) ? reply.map(replyForLua) : reply;
}

/** Takes any number of arguments beyond the command. */
const query: UnnamedFunction = {
  ...defineMethod({ params: { command: string() }, doc: '', call: () => undefined }),
  rest: unchecked(),
  returns: 'any',
  doc: 'Runs one command, such as `conn:query("SET", "key", "value")`. Tables among the arguments are flattened. Answers nil, an integer, a string, true for OK, or a list; an error of the server is raised.',
  call: async (values) => {
    const [self, command, ...rest] = values as [RedisPool, string, ...unknown[]];
    const words = rest.flatMap((value, index) => [...wordsOf(value, `argument ${index + 1}`)]);
    return replyForLua(await self.query([command, ...words]));
  },
};

export const redisObject = defineObject(
  'redis_connection',
  RedisPool,
  { doc: 'A connection to Redis, of redis.open.' },
  { query },
);

/** ms that the start waits for Redis at most. */
const LONGEST_PING = 1000;

export const redisFunctions = {
  configure_redis_throttles: defineFunction({
    params: { options: optionsArgument(redisThrottleOptions) },
    doc: 'Shares throttles and limits with the other nodes that use the same Redis. Once, in the event `init`. While Redis is away, at the start too, each node keeps to its part of every limit. A wrong password is an error.',
    call: async ({ options: { options, later } }, context) => {
      const { host } = context;
      warnLater(context, 'configure_redis_throttles', later);
      if (context.event !== 'init' && context.event !== 'pre_init') {
        throw new Error('kumo.configure_redis_throttles may be called in the event init alone');
      }
      if (host.declared?.('configure_redis_throttles') !== undefined) {
        throw new Error('kumo.configure_redis_throttles may be called once only');
      }
      host.declare({ kind: 'configure_redis_throttles', options, where: context.where() });
      if (host.validating) return;
      const connect_timeout = Math.min(options.connect_timeout, LONGEST_PING);
      const away = await pingRedis({ ...options, connect_timeout });
      if (away === undefined) return;
      const text = `${describeEndpoint(options)} does not answer (${away}); mail starts without it`;
      host.diagnostics.warn('redis', `${context.where()}: ${text}`);
    },
  }),
} satisfies Record<string, UnnamedFunction>;
