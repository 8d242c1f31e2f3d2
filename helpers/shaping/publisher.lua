--[[
Log records for a traffic shaping automation daemon: one log hook, and so one queue, for each URL. The queue of URL is
named URL.tsa.kumomta; limits for it are in a block of that name with mx_rollup = false in a shaping file.
]]
local kumo = require 'kumo'
local utils = require 'policy-extras.policy_utils'

local mod = {}

local SUFFIX = '.tsa.kumomta'
local DEFAULT_QUEUE = { retry_interval = '1m', max_retry_interval = '20m' }
local SKIPPED_TYPES = {
  'AdminRebind',
  'DeferredInjectionRebind',
  'Delayed',
  'Reception',
  'Rejection',
  'XferIn',
  'XferOut',
}

--- The types of records that are not sent, each with true.
---@param options policy-extras.shaping.Options
---@return table<string, true>
function mod.skipped_types(options)
  local skipped = {}
  for _, list in ipairs { options.skip_log_record_types or SKIPPED_TYPES, options.additional_skip_log_record_types or {} } do
    for _, name in ipairs(list) do
      skipped[name] = true
    end
  end
  return skipped
end

-- Whether the daemon should see the record.
local function is_wanted(msg, options, skipped, load)
  local record = msg:get_meta 'log_record'
  if record.reception_protocol == 'LogRecord' or skipped[record.type] then
    return false
  end
  if utils.ends_with(record.queue or '', SUFFIX) then
    return false
  end
  if options.pre_filter == false then
    return true
  end
  local ok, rules = pcall(function()
    return load():match_rules(record)
  end)
  if not ok then
    -- The daemon looks for itself what a record means.
    kumo.log_warn(('shaping: pre_filter: %s'):format(rules))
    return true
  end
  return #rules > 0
end

local function connection_to(url, options)
  local connection = {
    client = kumo.http.build_client {
      timeout = options.publish_timeout or '1 minute',
      pool_idle_timeout = options.publish_pool_idle_timeout or '90 seconds',
      connection_verbose = options.publish_connection_verbose,
    },
  }
  function connection:send(msg)
    local request = self.client:post(url .. '/publish_log_v1')
    request:header('Content-Type', 'application/json')
    request:body(msg:get_data())
    local response = request:send()
    local disposition = ('%d %s'):format(response:status_code(), response:status_reason())
    if response:status_is_success() then
      return disposition
    end
    kumo.reject(400, ('%s: %s'):format(disposition, response:text()))
  end
  function connection:close()
    self.client:close()
  end
  return connection
end

-- At the top of the policy: the handlers for one URL.
---@param url string
---@param options policy-extras.shaping.Options
---@param load fun(): shaping
function mod.register(url, options, load)
  local name = url .. SUFFIX
  local constructor = 'make.' .. name
  local skipped = mod.skipped_types(options)
  local params = utils.merge_into(options.tsa_queue_config, utils.merge_into(DEFAULT_QUEUE, {}))
  params.protocol = { custom_lua = { constructor = constructor } }
  local ok, problem = pcall(kumo.make_queue_config, params)
  if not ok then
    error(('shaping: tsa_queue_config: %s'):format(problem), 0)
  end

  kumo.on('should_enqueue_log_record', function(msg, hook_name)
    if hook_name ~= name then
      return
    end
    if not is_wanted(msg, options, skipped, load) then
      return false
    end
    msg:set_meta('queue', name)
    return true
  end)
  kumo.on('get_queue_config', function(domain)
    if domain == name:lower() or domain == name then
      return kumo.make_queue_config(params)
    end
  end)
  kumo.on(constructor, function()
    return connection_to(url, options)
  end)
end

-- In `init`: declares the hook of one URL.
---@param url string
---@param options policy-extras.shaping.Options
function mod.declare(url, options)
  local per_record = {}
  for name in pairs(mod.skipped_types(options)) do
    per_record[name] = { enable = false }
  end
  kumo.configure_log_hook { name = url .. SUFFIX, per_record = per_record, back_pressure = options.back_pressure }
end

return mod
