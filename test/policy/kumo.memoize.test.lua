local kumo = require 'kumo'
local test = require 'testing'

local function counting(name, fn, more)
  local calls = { n = 0 }
  local options = { name = name, ttl = '1 hour', capacity = 10 }
  for key, value in pairs(more or {}) do
    options[key] = value
  end
  return kumo.memoize(function(...)
    calls.n = calls.n + 1
    return fn(...)
  end, options),
    calls
end

test('one call for one list of arguments', function()
  local f, calls = counting('once', function(a, b)
    return a .. tostring(b)
  end)
  test.equal({ f('x', 1), f('x', 1), f('y', 1), calls.n }, { 'x1', 'x1', 'y1', 2 })
  local g, count = counting('same key', function()
    return 1
  end)
  g(1, 2)
  g { 1, 2 }
  g()
  g(nil)
  test.equal(count.n, 2)
end)

test('tables come back as userdata that is copied when assigned to', function()
  local f = counting('tables', function()
    return { a = { b = 1 }, 'x', 'y' }
  end)
  local v = f()
  test.equal(type(v), 'userdata')
  test.equal({ v.a.b, v[1], v[2], #v }, { 1, 'x', 'y', 3 })
  kumo.log_info('a table', v.a)
  v.new = true
  test.equal(v.new, true)
  test.equal(f().new, nil)
  local sum = 0
  for _ in pairs(v) do
    sum = sum + 1
  end
  test.equal(sum, 4)
  test.raises('', next, v)
  test.equal(kumo.serde.json_encode(f().a), '{"b":1}')
  test.equal(kumo.json_encode(counting('list', function()
    return { 1, 2 }
  end)()), '[1,2]')
end)

test('several results are one list, and nil is remembered', function()
  local f = counting('several', function()
    return 'a', 'b'
  end)
  local a, b = f()
  test.equal({ a[1], a[2], b }, { 'a', 'b' })
  local g, calls = counting('nil', function() end)
  test.equal({ g() == nil, g() == nil, calls.n }, { true, true, 1 })
end)

test('errors are remembered as text', function()
  local f, calls = counting('errors', function()
    kumo.reject(550, 'no')
  end)
  local ok, first = pcall(f)
  local _, second = pcall(f)
  test.equal({ ok, type(first), first == second, calls.n }, { false, 'string', true, 1 })
  test.matches(first, '550 no')
end)

test('a function that waits', function()
  local f, calls = counting('waits', function()
    kumo.time.sleep(0.001)
    return 'done'
  end)
  test.equal({ f(), f(), calls.n }, { 'done', 'done', 1 })
end)

test('what cannot be kept or be a key', function()
  local f = counting('function', function()
    return print
  end)
  test.raises('cannot be kept', f)
  test.raises('argument 1: expected a value that JSON can hold', counting('key', function() end), print)
  test.raises('built-in cache', counting, 'dkim_key_cache', print)
  test.raises('missing field', kumo.memoize, print, { name = 'x', ttl = 5 })
  test.raises('did you mean `capacity`', kumo.memoize, print, { name = 'x', ttl = 5, capcity = 1 })
end)

test('a memoized table is an argument like a table: options, lists and maps in it', function()
  local load = kumo.memoize(function()
    return {
      domain = { relay_to = true, relay_from = { '192.0.2.0/24', '198.51.100.7' } },
      queue = { egress_pool = 'a', protocol = { smtp = { mx_list = { { name = 'mx', addr = '192.0.2.1:25' }, 'b.example' } } } },
      pool = { { name = 'one', weight = 3 } },
    }
  end, { name = 'as-arguments', ttl = '1 minute', capacity = 1 })
  local kept = load()
  test.equal(type(kept.domain.relay_from), 'userdata')
  local from = kumo.make_listener_domain { relay_from = kept.domain.relay_from }.relay_from
  test.equal({ from[1], from[2] }, { '192.0.2.0/24', '198.51.100.7' })
  test.equal(kumo.make_listener_domain(kept.domain).relay_to, true)
  test.equal(kumo.make_queue_config(kept.queue).egress_pool, 'a')
  test.equal(kumo.make_queue_config { protocol = kept.queue.protocol }.protocol.smtp.mx_list[2], 'b.example')
  kumo.make_egress_pool { name = 'p', entries = kept.pool }
  kumo.make_egress_pool { name = 'p', entries = { kept.pool[1] } }
  test.equal(kumo.serde.json_parse(kumo.serde.json_encode { kept.pool }), { { { name = 'one', weight = 3 } } })
end)

test('keep_last_good has the result before stand in for an error', function()
  local works = true
  local f, calls = counting('last good', function(key)
    if not works then
      error('the file is bad', 0)
    end
    return { key = key }
  end, { ttl = '1ms', keep_last_good = true })
  test.equal(f('a').key, 'a')
  works = false
  kumo.time.sleep(0.01)
  test.equal({ f('a').key, f('a').key, calls.n }, { 'a', 'a', 2 })
  test.raises('the file is bad', f, 'b')
end)
