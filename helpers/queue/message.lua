--[[
What the queue helper does with a message at reception: schedule, campaign, tenant and routing domain from its headers
and from the files.
]]
local kumo = require 'kumo'
local resolve = require 'policy-extras.queue.resolve'
local utils = require 'policy-extras.policy_utils'

local mod = {}

-- Most queues whose routing domain a Lua state remembers.
local MOST_KNOWN = 4096

-- The value of a header, which is then removed when asked.
local function take_header(msg, name, remove)
  if not name then
    return nil
  end
  local value = msg:get_first_named_header_value(name)
  if remove and value then
    msg:remove_all_named_headers(name)
  end
  if value == '' then
    return nil
  end
  return value
end

-- Refuses a sender who may not use the tenant.
local function check_authz(msg, name, tenant)
  if not tenant.require_authz then
    return
  end
  local authz_id = msg:get_meta 'authz_id'
  if not authz_id then
    kumo.reject(500, ("tenant '%s' requires SMTP AUTH"):format(name))
  end
  if not utils.table_contains(tenant.require_authz, authz_id) then
    kumo.reject(500, ("authz_id '%s' is not authorized to send as tenant '%s'"):format(authz_id, name))
  end
end

local function assign_tenant(msg, data, headers)
  local name = take_header(msg, headers.tenant_header, headers.remove_tenant_header)
  local how = name and ("'%s' header"):format(headers.tenant_header) or 'default_tenant option'
  name = name or headers.default_tenant
  if not name then
    return
  end
  local tenant = resolve.tenant(data, name)
  if not tenant then
    kumo.reject(500, ("tenant '%s' specified by %s is not defined in your queue config"):format(name, how))
  end
  check_authz(msg, name, tenant)
  msg:set_meta('tenant', name)
end

--- A function that applies the files to a message that arrives.
---@param current fun(): table what the files say now, see queue/data.lua
---@return fun(msg: message)
function mod.applier(current)
  local known, count = {}, 0
  local function routing_domain(data, domain, tenant, campaign)
    local key = ('%s\0%s\0%s'):format(domain, tenant or '', campaign or '')
    local routing = known[key]
    if routing == nil then
      routing = resolve.params(data, domain, tenant, campaign).routing_domain or false
      if count >= MOST_KNOWN then
        known, count = {}, 0
      end
      known[key] = routing
      count = count + 1
    end
    return routing
  end
  return function(msg)
    local data = current()
    local headers = resolve.headers(data)
    if headers.scheduling_header then
      msg:import_scheduling_header(headers.scheduling_header, true)
    end
    local campaign = take_header(msg, headers.campaign_header, headers.remove_campaign_header)
    if campaign then
      msg:set_meta('campaign', campaign)
    end
    assign_tenant(msg, data, headers)
    local recipient = msg:recipient_list()[1]
    if not recipient then
      return
    end
    local routing =
      routing_domain(data, recipient.domain, msg:get_meta 'tenant', campaign or msg:get_meta 'campaign')
    if routing then
      msg:set_meta('routing_domain', routing)
    end
  end
end

local TENANT_THROTTLE = 'queue-helper-tenant-overall_max_message_rate-%s'
local CAMPAIGN_THROTTLE = 'queue-helper-tenant-campaign-overall_max_message_rate-%s-%s'

--- A handler for `throttle_insert_ready_queue`: holds messages to the overall rate of their tenant, then to that of
--- their campaign.
---@param current fun(): table
---@return fun(msg: message)
function mod.throttler(current)
  return function(msg)
    local name = msg:get_meta 'tenant'
    local tenant = name and resolve.tenant(current(), name)
    if not tenant then
      return
    end
    local rate = tenant.overall_max_message_rate
    if rate and kumo.make_throttle(TENANT_THROTTLE:format(name), rate):delay_message_if_throttled(msg) then
      return
    end
    local campaign_name = msg:get_meta 'campaign'
    local campaign = campaign_name and tenant.campaigns[campaign_name]
    local campaign_rate = campaign and campaign.overall_max_message_rate
    if campaign_rate then
      kumo
        .make_throttle(CAMPAIGN_THROTTLE:format(name, campaign_name), campaign_rate)
        :delay_message_if_throttled(msg)
    end
  end
end

return mod
