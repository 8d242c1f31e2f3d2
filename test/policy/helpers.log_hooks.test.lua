local kumo = require 'kumo'
local test = require 'testing'
local log_hooks = require 'policy-extras.log_hooks'

log_hooks:new {
  name = 'custom',
  constructor = function()
    return { send = function() end }
  end,
  batch_size = 10,
  max_batch_latency = '2s',
  queue_config = { retry_interval = '5m' },
  filter = function(msg)
    return msg:get_meta('log_record').type == 'Delayed'
  end,
}
log_hooks:new_json { name = 'web', url = 'http://127.0.0.1:1/' }

test('a hook has a queue of its own, which retries', function()
  local config = kumo.invoke_get_queue_config 'custom.log_hook'
  test.equal({ config.retry_interval, config.max_retry_interval }, { '5m', '20m' })
  test.equal({ config.protocol.custom_lua.constructor, config.protocol.custom_lua.batch_size }, { 'make.custom.log_hook', 10 })
  test.equal(kumo.invoke_get_queue_config('web.log_hook').protocol.custom_lua.constructor, 'make.web.log_hook')
  test.equal(kumo.invoke_get_queue_config('web.log_hook').retry_interval, '1m')
end)

test('mistakes end the load', function()
  test.raises("log_hook with name 'web' has already been configured", log_hooks.new_json, log_hooks, { name = 'web', url = 'http://x' })
  test.raises("log_hooks:new_json: unknown option 'filter'", log_hooks.new_json, log_hooks, { name = 'a', url = 'x', filter = print })
  test.raises("url: 'x' is no address such as", log_hooks.new_json, log_hooks, { name = 'u', url = 'x' })
  test.raises("log_hooks:new_json: missing option 'url'", log_hooks.new_json, log_hooks, { name = 'a' })
  test.raises("log_hooks:new: unknown option 'constuctor', did you mean 'constructor'?", log_hooks.new, log_hooks, { name = 'a', constuctor = print })
  test.raises('log_hooks:new: filter: expected a function, got a string', log_hooks.new, log_hooks, { name = 'a', constructor = print, filter = 'x' })
  test.raises('did you mean `retry_interval`', log_hooks.new, log_hooks, { name = 'b', constructor = print, queue_config = { retry_intervall = '1m' } })
  local ok, problem = pcall(log_hooks.new, log_hooks, { name = 'c2', constructor = print, queue_config = { max_ag = 1 } })
  test.equal({ ok, (tostring(problem):find('log_hooks:new c2: bad argument', 1, true)) ~= nil }, { false, true })
  test.raises("log_hooks:new_disposition_hook: missing option 'hook'", log_hooks.new_disposition_hook, log_hooks, { name = 'c' })
end)

local function written(dir, name, text)
  local path = ('%s/%s'):format(dir, name)
  local file <close> = assert(io.open(path, 'w'))
  file:write(text)
  return path
end

test('what a file says wrong is told all at once, by file and line', function(dir)
  local path = written(dir, 'web.toml', [==[
nme = "web2"
url = "127.0.0.1:4242"
batch_size = "many"
[queue_config]
retry_intervall = "1m"
protocol = {}
[log_parameters]
back_pressure = "x"
]==])
  local ok, problem = pcall(log_hooks.new_json, log_hooks, path)
  test.equal(ok, false)
  local lines = {}
  for line in tostring(problem):gmatch '[^\n]+' do
    lines[#lines + 1] = (line:gsub('^.*/web', 'web'))
  end
  test.equal(lines, {
    "web.toml: missing option 'name'",
    "web.toml:1:1: unknown option 'nme', did you mean 'name'?",
    "web.toml:2:1: url: '127.0.0.1:4242' is no address such as 'http://127.0.0.1:4242/log'",
    'web.toml:3:1: batch_size: expected a number, got a string',
    'web.toml:5:1: [queue_config] unknown field `retry_intervall`, did you mean `retry_interval`?',
    "web.toml:6:1: [queue_config] 'protocol' cannot be set here",
    'web.toml:8:1: [log_parameters] back_pressure: expected an integer, got string',
  })
end)
