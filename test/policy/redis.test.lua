-- The module redis without a server; test/peers has one.
local kumo = require 'kumo'
local redis = require 'redis'
local test = require 'testing'

test('options are checked', function()
  test.raises('node', redis.open, {})
  test.raises('did you mean `password`', redis.open, { node = 'redis://127.0.0.1:1', pasword = 'x' })
  test.raises('pool_size', redis.open, { node = 'redis://127.0.0.1:1', pool_size = 0 })
  test.raises('pool_size', redis.open, { node = 'redis://127.0.0.1:1', pool_size = '10' })
  test.raises('node', redis.open, { node = 6379 })
end)

test('a node that is no URL, or that nobody listens on, says so when it is asked', function()
  local conn = redis.open { node = 'localhost' }
  test.raises("'localhost' is no URL such as redis://127.0.0.1:6379", conn.query, conn, 'PING')
  conn = redis.open { node = 'http://localhost' }
  test.raises('begins with none of redis://', conn.query, conn, 'PING')
  conn = redis.open { node = 'redis://127.0.0.1:1' }
  for _ = 1, 3 do
    test.raises('ECONNREFUSED', conn.query, conn, 'PING')
  end
  conn = redis.open { node = 'redis+unix:///none/redis.sock' }
  test.raises('ENOENT', conn.query, conn, 'PING')
end)

test('words of a command are text, numbers, booleans and tables of them', function()
  local conn = redis.open { node = 'redis://127.0.0.1:1' }
  test.raises('argument 2', conn.query, conn, 'SET', 'key', print)
  test.raises('argument 1[2]', conn.query, conn, 'MSET', { 'key', print })
  test.raises('ECONNREFUSED', conn.query, conn, 'MSET', { key = 1, other = { 'x', true } })
end)

test('limits are shared from init on or not at all', function()
  test.raises('in the event init alone', kumo.configure_redis_throttles, { node = 'redis://127.0.0.1:1' })
  test.raises('nodes', kumo.configure_redis_throttles, { node = 'redis://127.0.0.1:1', nodes = 0 })
end)
