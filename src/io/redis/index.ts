export {
  connectRedis,
  describeEndpoint,
  type RedisClient,
  type RedisEndpoint,
  RedisRefusal,
  type RedisReply,
} from './client.ts';
export {
  RedisAway,
  type RedisCommands,
  RedisLink,
  type RedisLinkParts,
  type RedisPort,
  RedisScript,
} from './link.ts';
export { closeRedisPools, pingRedis, RedisPool, type RedisPoolOptions, redisPool } from './pool.ts';
