--[[
What a traffic shaping automation daemon tells us: queues to suspend and mail to bounce, as they come, and options of
paths, which it serves as a shaping file.

These run as background tasks of one shard. Each does its work for a while and then starts itself anew, so that no call
of a handler grows without end.
]]
local kumo = require 'kumo'

local mod = {
  SUBSCRIBER_EVENT = 'kumo.tsa.suspension.subscriber',
  MONITOR_EVENT = 'kumo.tsa.config.monitor',
}

local BATCH_TIME = '3s'
local RETRY_AFTER = 30
local CHECK_EVERY = 30
-- What one call of the task does: batches, whether or not something was in them, and messages.
local MOST_WORK = 1000

local function with_rule(reason, rule_hash)
  return ('%s (rule_hash=%s)'):format(reason, rule_hash)
end

local function suspend_ready_queue(event)
  kumo.api.admin.suspend_ready_q.suspend {
    name = event.site_name,
    reason = with_rule(event.reason, event.rule_hash),
    expires = event.expires,
  }
end

local function criteria(event)
  return {
    campaign = event.campaign,
    tenant = event.tenant,
    domain = event.domain,
    reason = with_rule(event.reason, event.rule_hash),
    expires = event.expires,
  }
end

local function suspend_scheduled_queues(event)
  kumo.api.admin.suspend.suspend(criteria(event))
end

local function bounce_scheduled_queues(event)
  kumo.api.admin.bounce.bounce(criteria(event))
end

-- By the key of the message; the last two are those of older daemons.
local ACTIONS = {
  ReadyQSuspension = suspend_ready_queue,
  SchedQSuspension = suspend_scheduled_queues,
  SchedQBounce = bounce_scheduled_queues,
  ReadyQ = suspend_ready_queue,
  SchedQ = suspend_scheduled_queues,
}

--- Does what one message of the daemon says. What cannot be done is logged.
---@param text string JSON
function mod.apply(text)
  local ok, problem = pcall(function()
    for key, event in pairs(kumo.serde.json_parse(text)) do
      local action = ACTIONS[key]
      if action then
        action(event)
      else
        kumo.log_warn(("shaping: a daemon sent '%s', which is not known here"):format(key))
      end
    end
  end)
  if not ok then
    kumo.log_warn(('shaping: %s: %s'):format(text, problem))
  end
end

local function connect(url, path)
  return kumo.http.connect_websocket((url .. path):gsub('^http', 'ws', 1))
end

-- Whether the daemon has no such endpoint.
local function is_absent(url)
  local client = kumo.http.build_client { timeout = '10s' }
  local ok, response = pcall(function()
    return client:get(url):send()
  end)
  client:close()
  return ok and response:status_code() == 404
end

local function subscribe(url)
  local ok, stream = pcall(connect, url, '/subscribe_event_v1')
  if ok then
    return stream
  end
  if not is_absent(url .. '/subscribe_event_v1') then
    error(stream, 0)
  end
  kumo.log_warn(('shaping: %s has no /subscribe_event_v1; bounces and later events are not told by it'):format(url))
  return connect(url, '/subscribe_suspension_v1')
end

local function follow(url)
  local stream = subscribe(url)
  local ok, problem = pcall(function()
    local work = 0
    -- A daemon repeats what holds when one connects; what we have of this connection need not be done twice.
    local done = {}
    while work < MOST_WORK do
      for _, text in ipairs(stream:recv_batch(BATCH_TIME)) do
        work = work + 1
        if not done[text] then
          done[text] = true
          mod.apply(text)
        end
      end
      work = work + 1
    end
  end)
  stream:close()
  if not ok then
    error(problem, 0)
  end
end

-- Runs once more, as a call of its own.
local function again(event_name, args)
  kumo.spawn_task { event_name = event_name, args = args }
end

-- At the top of the policy: the handlers of the tasks. `load` gives the shaping object, read anew.
function mod.register(load)
  kumo.on(mod.SUBSCRIBER_EVENT, function(args)
    local url = args[1]
    local ok, problem = pcall(follow, url)
    if not ok then
      kumo.log_warn(('shaping: %s: %s; next try in %d s'):format(url, problem, RETRY_AFTER))
      kumo.time.sleep(RETRY_AFTER)
    end
    again(mod.SUBSCRIBER_EVENT, args)
  end)

  kumo.on(mod.MONITOR_EVENT, function(args)
    local known = args[1]
    local ok, hash = pcall(function()
      return load():hash()
    end)
    if not ok then
      kumo.log_warn(('shaping: %s'):format(hash))
      hash = known
    elseif known and hash ~= known then
      kumo.log_info 'shaping: the files say something new'
      kumo.bump_config_epoch()
    end
    kumo.time.sleep(CHECK_EVERY)
    again(mod.MONITOR_EVENT, { hash })
  end)
end

-- In `init`: starts the tasks.
function mod.start(urls)
  for _, url in ipairs(urls) do
    kumo.spawn_task { event_name = mod.SUBSCRIBER_EVENT, args = { url } }
  end
  if #urls > 0 then
    kumo.spawn_task { event_name = mod.MONITOR_EVENT, args = {} }
  end
end

return mod
