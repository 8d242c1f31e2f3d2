import { RedisScript } from '../redis/index.ts';

/**
 * GCRA on the clock of the server. KEYS[1]: the bucket, which holds its TAT in seconds. ARGV: interval, depth and cost in
 * seconds, and the time at which the bucket counts as empty if it was not later. Gives whether it was admitted, and how
 * far ahead of the clock the TAT would be with the request. A refusal changes nothing.
 *
 * Seconds since 1970 as a double are exact to 0.2 us; the slack is on the depth of the bucket, not on its rate.
 */
export const GCRA = new RedisScript(`
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local interval, depth, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tat = tonumber(redis.call('GET', KEYS[1]) or 0) or 0
tat = math.max(tat, now, tonumber(ARGV[4]) + depth) + cost
local ahead = tat - now
if ahead > depth + 0.000002 + interval / 10000 then
  return { 0, string.format('%.9f', ahead) }
end
redis.call('SET', KEYS[1], string.format('%.9f', tat), 'PX', math.max(1, math.ceil(ahead * 1000)))
return { 1, string.format('%.9f', ahead) }
`);

/** Leases go when the last of them would be over. */
const EXPIRE = `
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if last[2] then redis.call('EXPIREAT', KEYS[1], math.ceil(tonumber(last[2])) + 1) end`;

const NOW = `
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.6f', now))`;

/** KEYS[1]: the limit, a set of its holders by expiry. ARGV: limit, seconds to hold, name of the holder. Gives 1 or 0. */
export const ACQUIRE = new RedisScript(`${NOW}
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], string.format('%.6f', now + ARGV[2]), ARGV[3])
${EXPIRE}
return 1
`);

/**
 * ARGV: limit, seconds to hold, names of holders. Gives the names that hold nothing any more. A limit of 0 extends only who
 * is there; with another, who is missing comes in while there is room.
 */
export const EXTEND = new RedisScript(`${NOW}
local lost = {}
local room = tonumber(ARGV[1]) - redis.call('ZCARD', KEYS[1])
local expiry = string.format('%.6f', now + ARGV[2])
for n = 3, #ARGV do
  if redis.call('ZSCORE', KEYS[1], ARGV[n]) then
    redis.call('ZADD', KEYS[1], 'XX', 'CH', expiry, ARGV[n])
  elseif room > 0 then
    redis.call('ZADD', KEYS[1], expiry, ARGV[n])
    room = room - 1
  else
    lost[#lost + 1] = ARGV[n]
  end
end
${EXPIRE}
return lost
`);

/** KEYS[1]: the limit. ARGV: names of holders, who give their slots back. */
export const RELEASE = new RedisScript(`return redis.call('ZREM', KEYS[1], unpack(ARGV))`);

/**
 * KEYS[1]: the nodes that share limits, by when they were last seen. ARGV: our name, and for how many seconds one is
 * remembered. Gives the time of the server in seconds, the names, and whether ours is new.
 */
export const SHOW_NODE = new RedisScript(`
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local new = redis.call('ZADD', KEYS[1], string.format('%.6f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.6f', now - ARGV[2]))
redis.call('EXPIRE', KEYS[1], math.ceil(ARGV[2]))
return { string.format('%.6f', now), redis.call('ZRANGE', KEYS[1], 0, -1), new }
`);
