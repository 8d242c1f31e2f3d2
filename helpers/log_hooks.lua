--[[
Log records to somewhere else: a web server, or whatever a function of the policy does with them.

    local log_hooks = require 'policy-extras.log_hooks'

    -- Each record as a POST with a JSON body.
    log_hooks:new_json { name = 'webhook', url = 'http://10.0.0.1:4242/log' }
    -- Or lists of up to 100 records.
    log_hooks:new_json { name = 'lists', url = 'http://10.0.0.1:4242/logs', batch_size = 100, max_batch_latency = '5s' }
    -- The same options from a file, which is TOML when its name ends so, and JSON otherwise.
    log_hooks:new_json '/etc/moonpost/policy/webhook.toml'

    -- Your own delivery, 100 records at a time.
    log_hooks:new {
      name = 'warehouse',
      batch_size = 100,
      max_batch_latency = '10s',
      constructor = function(domain, tenant, campaign)
        local connection = { client = kumo.http.build_client {} }
        function connection:send_batch(messages)
          local lines = {}
          for i, msg in ipairs(messages) do
            lines[i] = msg:get_data()
          end
          local response = self.client:post('http://10.0.0.2/'):body(table.concat(lines)):send()
          if response:status_is_success() then
            return 'stored'
          end
          kumo.reject(400, 'try again')
        end
        function connection:close()
          self.client:close()
        end
        return connection
      end,
    }

Records wait in a queue of their own, NAME.log_hook, on disk, so that a receiver that is down loses none and holds up
no mail. Set hooks up at the top of the policy, before the queue helper. Limits for a hook: a block of that name with
mx_rollup = false in the shaping files.
]]
local kumo = require 'kumo'
local data_files = require 'policy-extras.data_files'
local utils = require 'policy-extras.policy_utils'

local mod = {}

-- Names of the hooks that the policy has, each with true.
local configured = {}

local DEFAULT_QUEUE = { retry_interval = '1m', max_retry_interval = '20m' }
local JSON = 'application/json'
-- What an HTTP server answers when the same request may succeed later: time-out, too early, too many.
local TRY_LATER = { [408] = true, [425] = true, [429] = true }

---@class policy-extras.log_hooks.Options
---@field name string
---@field constructor fun(domain: string, tenant?: string, campaign?: string): table gives an object with `send(self, msg)`, or `send_batch(self, msgs)` when batch_size is more than 1, and perhaps `close(self)`
---@field log_parameters? table options for kumo.configure_log_hook but its name
---@field queue_config? table options for kumo.make_queue_config but protocol; default retries after 1 to 20 minutes
---@field batch_size? integer most messages per call; default 1
---@field min_batch_size? integer
---@field max_batch_latency? string how long to wait for a batch to fill
---@field filter? fun(msg: message, hook_name: string): boolean? true drops the record

---@class policy-extras.log_hooks.JsonOptions
---@field name string
---@field url string
---@field log_parameters? table
---@field queue_config? table
---@field batch_size? integer most records per request; with more than 1 each request has a JSON list of records
---@field min_batch_size? integer
---@field max_batch_latency? string how long to wait for a batch to fill

---@class policy-extras.log_hooks.DispositionOptions
---@field name string
---@field hook fun(msg: message, record: table) runs while the record is logged

local OPTIONS = {
  name = 'string',
  constructor = 'function',
  log_parameters = 'table',
  queue_config = 'table',
  batch_size = 'number',
  min_batch_size = 'number',
  max_batch_latency = 'string',
  filter = 'function',
}
local JSON_OPTIONS = {
  name = 'string',
  url = 'string',
  log_parameters = 'table',
  queue_config = 'table',
  batch_size = 'number',
  min_batch_size = 'number',
  max_batch_latency = 'string',
}
local DISPOSITION_OPTIONS = { name = 'string', hook = 'function', log_parameters = 'table' }

local function unknown(key, known)
  local near = kumo.policy.nearest_name(tostring(key), utils.table_keys(known))
  return ("unknown option '%s'%s"):format(tostring(key), near and (", did you mean '%s'?"):format(near) or '')
end

local function of_wrong_type(key, value, known)
  return ('%s: expected a %s, got a %s'):format(key, known[key], type(value))
end

-- Raises an error unless the options are these and the required ones are there.
local function check(what, options, known, required)
  if type(options) ~= 'table' then
    error(('%s: expected a table of options, got a %s'):format(what, type(options)), 3)
  end
  for key, value in pairs(options) do
    if not known[key] then
      error(('%s: %s'):format(what, unknown(key, known)), 3)
    elseif type(value) ~= known[key] then
      error(('%s: %s'):format(what, of_wrong_type(key, value, known)), 3)
    end
  end
  for _, key in ipairs(required) do
    if options[key] == nil then
      error(("%s: missing option '%s'"):format(what, key), 3)
    end
  end
end

local function claim(name)
  if configured[name] then
    error(("log_hook with name '%s' has already been configured"):format(name), 3)
  end
  configured[name] = true
end

local function queue_params(options, constructor)
  local params = utils.merge_into(options.queue_config, utils.merge_into(DEFAULT_QUEUE, {}))
  params.protocol = {
    custom_lua = {
      constructor = constructor,
      batch_size = options.batch_size,
      min_batch_size = options.min_batch_size,
      max_batch_latency = options.max_batch_latency,
    },
  }
  return params
end

-- A mistake in them ends the start, and not the first record.
local function check_params(what, params)
  local ok, problem = pcall(kumo.make_queue_config, params)
  if not ok then
    -- The place is told once.
    error(('%s: %s'):format(what, (tostring(problem):gsub('^[^\n]-:%d+: ', '', 1))), 4)
  end
end

-- Declares a hook whose options were checked. Called by the functions that the policy calls.
local function set_up(what, options)
  local name = options.name
  local domain = name .. '.log_hook'
  local constructor = ('make.%s.log_hook'):format(name)
  local params = queue_params(options, constructor)
  check_params(('%s %s'):format(what, name), params)

  kumo.on('pre_init', function()
    kumo.configure_log_hook(utils.merge_into({ name = name }, utils.merge_into(options.log_parameters, {})))
  end)

  kumo.on('should_enqueue_log_record', function(msg, hook_name)
    if hook_name ~= name then
      return
    end
    local record = msg:get_meta 'log_record'
    -- Records about the messages of hooks would beget more of them.
    if record and record.reception_protocol == 'LogRecord' then
      return false
    end
    if options.filter and options.filter(msg, name) then
      return false
    end
    msg:set_meta('queue', domain)
    return true
  end)

  kumo.on('get_queue_config', function(queue_domain)
    if queue_domain == domain then
      return kumo.make_queue_config(params)
    end
  end)

  kumo.on(constructor, options.constructor)
end

--- Hands log records to the connection objects of a constructor. At the top of the policy.
---@param options policy-extras.log_hooks.Options
function mod:new(options)
  check('log_hooks:new', options, OPTIONS, { 'name', 'constructor' })
  claim(options.name)
  set_up('log_hooks:new', options)
end

-- 2xx is delivered, what may go better later is tried again, the rest is given up.
local function settle(response)
  local code = response:status_code()
  local disposition = ('%d %s: %s'):format(code, response:status_reason(), response:text())
  if response:status_is_success() then
    return disposition
  end
  kumo.reject((TRY_LATER[code] or response:status_is_server_error()) and 400 or 500, disposition)
end

local function poster(url)
  local connection = { client = kumo.http.build_client {} }
  local function post(body)
    local request = connection.client:post(url)
    request:header('Content-Type', JSON)
    request:body(body)
    return settle(request:send())
  end
  function connection:send(msg)
    return post(msg:get_data())
  end
  function connection:send_batch(messages)
    local records = {}
    for i, msg in ipairs(messages) do
      records[i] = msg:get_data()
    end
    return post(('[%s]'):format(table.concat(records, ',')))
  end
  function connection:close()
    self.client:close()
  end
  return connection
end

local function url_problem(url)
  if not url:lower():match '^https?://[^/]' then
    return ("url: '%s' is no address such as 'http://127.0.0.1:4242/log'"):format(url)
  end
end

-- Tables of a file, with the functions whose options they are.
local MAKERS = { queue_config = 'make_queue_config', log_parameters = 'configure_log_hook' }
-- What the helper itself says to these functions.
local SAID_HERE = { queue_config = { protocol = true }, log_parameters = { name = true } }

local function check_file_table(from, key, block, findings)
  local given = utils.merge_into(block, {})
  for option in pairs(SAID_HERE[key]) do
    if given[option] ~= nil then
      findings:add(from, { key, option }, ("'%s' cannot be set here"):format(option))
      given[option] = nil
    end
  end
  for _, wrong in ipairs(kumo.policy.check_options(MAKERS[key], given)) do
    findings:add(from, { key, wrong.name }, wrong.message)
  end
end

-- The options of new_json in a file; adds what is wrong with them to the findings.
local function json_options_of(file, findings)
  local from = data_files.read({ file })[1]
  local options = utils.deep_copy(from.data)
  for key, value in pairs(options) do
    if not JSON_OPTIONS[key] then
      findings:add(from, { key }, unknown(key, JSON_OPTIONS))
    elseif type(value) ~= JSON_OPTIONS[key] then
      findings:add(from, { key }, of_wrong_type(key, value, JSON_OPTIONS))
    elseif MAKERS[key] then
      check_file_table(from, key, value, findings)
    end
  end
  for _, key in ipairs { 'name', 'url' } do
    if options[key] == nil then
      findings:add(from, {}, ("missing option '%s'"):format(key))
    end
  end
  local problem = type(options.url) == 'string' and url_problem(options.url)
  if problem then
    findings:add(from, { 'url' }, problem)
  end
  return options
end

-- The same; raises what is wrong. `--validate` tells it beside what is wrong with other files: nil then.
local function read_json_options(file)
  if _VALIDATING_CONFIG then
    data_files.on_validate(function(findings)
      json_options_of(file, findings)
    end)
  end
  local findings = data_files.findings()
  local ok, options = pcall(json_options_of, file, findings)
  if _VALIDATING_CONFIG and (not ok or #findings.errors > 0) then
    return nil
  elseif not ok then
    error(options, 0)
  end
  findings:raise()
  return options
end

--- Sends log records to a URL, as POSTs with a JSON body: the record, or with batch_size a list of them. A server that
--- cannot be reached, or answers 5xx, 408, 425 or 429, gets them again later; any other status but 2xx drops them. At the
--- top of the policy.
---@param options policy-extras.log_hooks.JsonOptions|string the options, or the name of a TOML or JSON file of them
function mod:new_json(options)
  if type(options) == 'string' then
    options = read_json_options(options)
    if not options then
      return
    end
  end
  check('log_hooks:new_json', options, JSON_OPTIONS, { 'name', 'url' })
  claim(options.name)
  local problem = url_problem(options.url)
  if problem then
    error(('log_hooks:new_json: %s'):format(problem), 2)
  end
  local declared = utils.merge_into(options, {})
  declared.constructor = function()
    return poster(options.url)
  end
  set_up('log_hooks:new_json', declared)
end

--- Shows each log record to a function while it is logged. It should be quick: mail waits for it. At the top of the
--- policy.
---@param options policy-extras.log_hooks.DispositionOptions
function mod:new_disposition_hook(options)
  check('log_hooks:new_disposition_hook', options, DISPOSITION_OPTIONS, { 'name', 'hook' })
  local name = options.name
  claim(name)
  kumo.on('pre_init', function()
    kumo.configure_log_disposition_hook(
      utils.merge_into({ name = name }, utils.merge_into(options.log_parameters, {}))
    )
  end)
  kumo.on('log_disposition_' .. name, options.hook)
end

return mod
