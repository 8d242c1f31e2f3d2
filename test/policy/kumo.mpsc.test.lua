local kumo = require 'kumo'
local test = require 'testing'

test('values come out in order', function()
  local q = kumo.mpsc.define 'order'
  q:send 'a'
  q:send { x = { 1 } }
  q:send(5)
  test.equal({ q:len(), q:is_empty(), q:is_closed() }, { 3, false, false })
  test.equal(q:recv(), 'a')
  test.equal(q:try_recv().x[1], 1)
  test.equal(q:recv_many(10), { 5 })
  test.equal(q:try_recv(), nil)
  test.equal(kumo.mpsc.define('order'):is_empty(), true)
end)

kumo.on('task', function(args)
  kumo.mpsc.define('tasks'):send(args[1] .. args[2])
end)

test('tasks', function()
  kumo.spawn_task { event_name = 'task', args = { 'a', 1 } }
  test.equal(kumo.mpsc.define('tasks'):recv(), 'a1')
  test.raises('missing field `args`', kumo.spawn_task, { event_name = 'task' })
end)

test('a full queue and a closed one', function()
  local q = kumo.mpsc.define('full', 1)
  test.equal({ q:try_send 'a', q:try_send 'b' }, { true, false })
  test.raises('stayed full', q.send_timeout, q, 'b', 0.01)
  q:close()
  test.equal({ q:recv(), q:is_closed() }, { 'a', true })
  test.equal(q:recv(), nil)
  test.equal(q:recv_many(3), nil)
  test.raises('is closed', q.send, q, 'c')
  test.raises('cannot be kept', q.send, q, print)
end)

test('counter_series', function()
  local define = function(more)
    local options = { name = 'c', num_buckets = 3, bucket_size = '1h' }
    for k, v in pairs(more or {}) do
      options[k] = v
    end
    return kumo.counter_series.define(options)
  end
  local c = define()
  c:increment(5)
  c:delta(-2)
  test.equal({ c:sum(), c:sum_over '30 minutes', define():sum() }, { 3, 3, 3 })
  c:delta(-10)
  test.equal(c:sum(), 0)
  c:observe(7)
  test.equal(c:sum(), 7)
  test.equal(define({ name = 'd', initial_value = 4 }):sum(), 4)
  test.raises('from 1 to 255', define, { num_buckets = 256 })
end)

test('file_type', function()
  local f = kumo.file_type
  test.equal(f.from_bytes('%PDF-1.7').media_types, { 'application/pdf' })
  test.equal(f.from_bytes('\x89PNG\r\n\x1a\n').extensions, { 'png' })
  test.equal(f.from_bytes('hello').media_types, { 'text/plain' })
  test.equal(f.from_bytes('\0\1\2').media_types, { 'application/octet-stream' })
  test.equal(f.from_extension('.JPG')[1].media_types, { 'image/jpeg' })
  test.equal(f.from_media_type('text/html; charset=utf-8')[1].extensions, { 'html', 'htm' })
  test.equal(f.from_extension 'nonsense', {})
end)
