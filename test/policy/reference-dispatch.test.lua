-- kumo.on, dispatch, kumo.reject and kumo.disconnect.
local kumo = require 'kumo'
local test = require 'testing'

kumo.on('a_single_event', function() return 1 end)
local second = { pcall(kumo.on, 'a_single_event', function() return 2 end) }

test('a second handler of a single event is an error that names the first', function()
  test.equal(second[1], false)
  test.matches(second[2], 'a_single_event event already has a handler defined at .*reference%-dispatch%.test%.lua:5')
end)

local multiple = {}
for _, name in ipairs {
  'pre_init', 'validate_config', 'get_queue_config', 'should_enqueue_log_record', 'requeue_message',
  'throttle_insert_ready_queue', 'get_acl_definition',
} do
  multiple[name] = { pcall(kumo.on, name, function() end) }
  multiple[name][2] = pcall(kumo.on, name, function() end)
end
kumo.on('get_queue_config', function(domain)
  if domain == 'first.example' then return kumo.make_queue_config { egress_pool = 'one' } end
  if domain == 'nil.example' then return nil end
  if domain == 'error.example' then error 'broken here' end
end)
kumo.on('get_queue_config', function(domain)
  return kumo.make_queue_config { egress_pool = 'two-' .. domain }
end)

test('some events take several handlers', function()
  for name, results in pairs(multiple) do
    test.equal({ name, results[1], results[2] }, { name, true, true })
  end
end)

test('several handlers run in order until one returns a value', function()
  test.equal(kumo.invoke_get_queue_config('first.example').egress_pool, 'one')
  test.equal(kumo.invoke_get_queue_config('other.example').egress_pool, 'two-other.example')
end)

test('an explicit nil ends the chain, which is an error here', function()
  test.raises('', kumo.invoke_get_queue_config, 'nil.example')
end)

test('an error ends the chain', function()
  test.raises('broken here', kumo.invoke_get_queue_config, 'error.example')
end)

test('kumo.on in a handler is an error', function()
  test.raises('load', kumo.on, 'too late', function() end)
end)

test('kumo.on takes a name and a function', function()
  test.raises('', kumo.on, 'x')
  test.raises('', kumo.on, 'x', 'y')
  test.raises('', kumo.on, nil, print)
end)

test('events without a handler that cannot do without', function()
  test.raises('Event get_egress_pool has not been registered', kumo.invoke_get_egress_pool, 'p')
  test.raises('Event get_egress_source has not been registered', kumo.invoke_get_egress_source, 's')
  test.raises('Event absent has not been registered', kumo.secrets.load, { event_name = 'absent', event_args = {} })
end)

test('the event at hand has a name', function()
  test.equal(_KUMO_CURRENT_EVENT, 'test: the event at hand has a name')
end)

test('a reject is an object that survives pcall and error', function()
  local ok, reject = pcall(kumo.reject, 550, 'not today')
  test.equal({ ok, type(reject) ~= 'string', reject.code, reject.message, reject.disconnect }, { false, true, 550, 'not today', 'If421' })
  test.matches(tostring(reject), '550 not today')
  local _, again = pcall(error, reject)
  test.equal({ again == reject, again.code }, { true, 550 })
  local _, deeper = pcall(function() local _, e = pcall(function() kumo.reject(451, 'a\nb') end) error(e, 0) end)
  test.equal({ deeper.code, deeper.message }, { 451, 'a\nb' })
  local _, wrapped = xpcall(kumo.reject, function(e) return e end, 421, 'x')
  test.equal(wrapped.code, 421)
end)

test('kumo.disconnect has three modes', function()
  local function mode(...)
    local _, e = pcall(kumo.disconnect, 550, 'bye', ...)
    return e.disconnect
  end
  test.equal({ mode(), mode 'FollowWith421', mode 'If421', mode 'ForceDisconnect' }, { 'ForceDisconnect', 'FollowWith421', 'If421', 'ForceDisconnect' })
  test.raises('', kumo.disconnect, 550, 'bye', 'Whenever')
  local _, e = pcall(kumo.disconnect, 550, 'bye', 'Whenever')
  test.equal(type(e) == 'string' or e.code == nil, true)
end)

test('functions that wait work through pcall, coroutines, iterators and metamethods', function()
  local function slow(v) kumo.time.sleep(0.001) return v end
  test.equal({ pcall(slow, 1) }, { true, 1 })
  test.equal(setmetatable({}, { __index = function(_, k) return slow(k) end }).x, 'x')
  local seen = {}
  for v in function(_, last) return slow((last or 0) < 2 and (last or 0) + 1 or nil) end do seen[#seen + 1] = v end
  test.equal(seen, { 1, 2 })
  test.equal(coroutine.wrap(function() return slow 'in a coroutine' end)(), 'in a coroutine')
end)
