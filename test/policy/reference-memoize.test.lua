-- kumo.memoize.
local kumo = require 'kumo'
local test = require 'testing'

local function counting(name, fn, more)
  local calls = { n = 0 }
  local options = { name = 'reference ' .. name, ttl = '1 hour', capacity = 10 }
  for key, value in pairs(more or {}) do options[key] = value end
  return kumo.memoize(function(...)
    calls.n = calls.n + 1
    return fn(...)
  end, options), calls
end

test('the key is the JSON of the arguments', function()
  local f, calls = counting('keys', function() return calls and calls.n end)
  f(1, 2) f { 1, 2 }
  test.equal(calls.n, 1)
  f() f(nil)
  test.equal(calls.n, 2)
  f(1) f '1'
  test.equal(calls.n, 4)
  f { 1 } 
  test.equal(calls.n, 5)
  f { a = 1, b = 2 } f { b = 2, a = 1 }
  f { a = { x = 1 } } f { a = { x = 1 } }
  test.equal(calls.n, 7)
  f(true) f 'true'
  test.equal(calls.n, 9)
  f 'a' f 'a' f('a', nil)
  test.equal(calls.n <= 11, true)
end)

test('arguments must be JSON', function()
  local f = counting('arguments', function() return 1 end)
  local m = kumo.make_message('a@x.example', 'b@y.example', 'X: 1\r\n\r\n')
  test.raises('', f, m)
  test.raises('', f, m:sender())
  test.raises('', f, print)
  test.equal(f(tostring(m:sender())), 1)
end)

test('all wrappers of a name share what is kept', function()
  local f, first = counting('shared', function() return 'from the first' end)
  local g, second = counting('shared', function() return 'from the second' end)
  test.equal({ f 'k', g 'k', first.n, second.n }, { 'from the first', 'from the first', 1, 0 })
end)

test('changed parameters begin anew', function()
  local f = counting('changed', function() return 'old' end)
  test.equal(f(), 'old')
  local g = counting('changed', function() return 'new' end, { capacity = 11 })
  test.equal(g(), 'new')
end)

test('options', function()
  local options = { name = 'reference options', ttl = 5, capacity = 1, invalidate_with_epoch = true,
    populate_timeout = '1 minute', retry_on_populate_timeout = true, allow_stale_reads = true }
  test.equal(kumo.memoize(function() return 1 end, options)(), 1)
  for _, name in ipairs { 'ttl', 'name', 'capacity' } do
    local less = { name = 'reference less', ttl = 5, capacity = 1 }
    less[name] = nil
    test.raises(name, kumo.memoize, print, less)
  end
  test.raises('did you mean `invalidate_with_epoch`', kumo.memoize, print, { name = 'x', ttl = 5, capacity = 1, invalidate_with_epok = true })
  test.raises('capacity', kumo.memoize, print, { name = 'x', ttl = 5, capacity = '1' })
  test.raises('', kumo.memoize, print)
  test.raises('', kumo.memoize, 'x', { name = 'x', ttl = 5, capacity = 1 })
end)

test('what was kept longer ago than capacity allows is asked again', function()
  local f, calls = counting('capacity', function(v) return v end, { capacity = 2 })
  f(1) f(2) f(3) f(4) f(1)
  test.equal(calls.n, 5)
end)

test('values', function()
  local value
  for i, v in ipairs { 'text', '\xff\0', 5, 1.5, true, false } do
    value = v
    local f, calls = counting('value ' .. i, function() return value end)
    test.equal({ f(), f(), calls.n }, { v, v, 1 })
  end
  local nothing, calls = counting('nothing', function() return nil end)
  test.equal({ nothing() == nil, nothing() == nil, calls.n }, { true, true, 1 })
end)

test('a table is userdata: index, length, pairs', function()
  local f = counting('table', function() return { 'x', 'y', a = { b = { 1, 2 } }, [10] = 'ten' } end)
  for _ = 1, 2 do
    local v = f()
    test.equal({ type(v), v[1], v[2], v.a.b[2], v[10], v.missing, #v }, { 'userdata', 'x', 'y', 2, 'ten', nil, 4 })
    local seen = {}
    for key, inner in pairs(v) do seen[key] = inner end
    test.equal({ seen[1], seen[2], seen[10], type(seen.a) }, { 'x', 'y', 'ten', 'userdata' })
    test.raises('', next, v)
    test.raises('', rawget, v, 'a')
    test.equal(#f().a.b, 2)
    local list = {}
    for i, inner in ipairs(v.a.b) do list[i] = inner end
    test.equal(list, { 1, 2 })
  end
end)

test('an assignment is private to the reference', function()
  local f = counting('assign', function() return { a = { b = 1 }, 'x' } end)
  local v, w = f(), f()
  v.a = 2
  v.n = { 'new' }
  v[1] = nil
  test.equal({ v.a, v.n[1], v[1], #v }, { 2, 'new', nil, 2 })
  test.equal({ w.a.b, w.n, w[1], f().a.b, f().n }, { 1, nil, 'x', 1, nil })
  local inner = f().a
  inner.b = 5
  test.equal({ inner.b, f().a.b }, { 5, 1 })
end)

test('keys of kept tables are text or whole numbers', function()
  test.raises('', counting('float key', function() return { [1.5] = 1 } end))
  test.raises('', counting('boolean key', function() return { [true] = 1 } end))
end)

test('several results are one list', function()
  local f = counting('several', function() return 'a', nil, { c = 1 } end)
  local a, b = f()
  test.equal({ type(a), a[1], a[2], a[3].c, b }, { 'userdata', 'a', nil, 1, nil })
end)

test('what can be kept: maps; what cannot: messages, clients, functions, matchers', function()
  local made = {
    domains = function() return kumo.domain_map.new { ['*.example.com'] = 1 } end,
    cidr = function() return kumo.cidr.make_map { ['10.0.0.0/8'] = 1 } end,
    regex = function() return kumo.regex_set_map.new { ['^a'] = 1 } end,
  }
  local f = counting('made', function(name) return made[name]() end)
  for _ = 1, 2 do
    test.equal({ f('domains')['a.example.com'], f('cidr')['10.1.2.3'], f('regex')['abc'] }, { 1, 1, 1 })
  end
  local nested = counting('nested map', function() return { m = kumo.cidr.make_map { ['::1'] = 'loop' } } end)
  test.equal(nested().m['::1'], 'loop')
  for i, make in ipairs {
    function() return print end,
    function() return kumo.make_message('a@x.example', 'b@y.example', 'X: 1\r\n\r\n') end,
    function() return kumo.http.build_client {} end,
    function() return { print } end,
    function() return coroutine.create(print) end,
  } do
    test.raises('', counting('cannot ' .. i, make))
  end
end)

test('errors are text, and kept', function()
  local f, calls = counting('error', function(what)
    if what == 'reject' then kumo.reject(550, 'lost') end
    error('failed ' .. what)
  end)
  for _, what in ipairs { 'reject', 'plain' } do
    local ok, first = pcall(f, what)
    local _, second = pcall(f, what)
    test.equal({ ok, type(first), type(second) }, { false, 'string', 'string' })
  end
  test.equal(calls.n, 2)
  test.raises('550 lost', f, 'reject')
  test.raises('failed plain', f, 'plain')
end)

local slow = { n = 0 }
local once = kumo.memoize(function(key)
  slow.n = slow.n + 1
  kumo.time.sleep(0.02)
  return key .. slow.n
end, { name = 'reference concurrency', ttl = '1 hour', capacity = 10 })

kumo.on('reference_ask', function(args)
  kumo.mpsc.define('reference answers'):send(once(args[1]))
end)

test('two events that ask for one key at once run the function once', function()
  kumo.spawn_task { event_name = 'reference_ask', args = { 'k' } }
  kumo.spawn_task { event_name = 'reference_ask', args = { 'k' } }
  local answers = kumo.mpsc.define 'reference answers'
  local a, b, mine = answers:recv(), answers:recv(), once 'k'
  test.equal({ a, b, mine }, { 'k1', 'k1', 'k1' })
end)
