--[[
Mail for many domains that end at the same servers, in one queue.

    local rollup = require 'policy-extras.rollup'

    kumo.on('smtp_server_message_received', function(msg)
      -- The trailing dot is that of the MX names; it may be left out.
      rollup.reroute_based_on_mx_host_suffix(msg, { ['.mx.bigmail.example.'] = 'bigmail.example' })
    end)

When several suffixes fit, the longest counts.
]]
local kumo = require 'kumo'
local utils = require 'policy-extras.policy_utils'

local mod = {}

local IP_ROLLUP = '.ip_rollup'

local function with_dot(name)
  return utils.ends_with(name, '.') and name or name .. '.'
end

-- What a list of hosts is routed to: where all of them end in the suffix.
local function routing_for(hosts, mapping)
  local best, found
  for suffix, routing in pairs(mapping) do
    local all = #hosts > 0
    for _, host in ipairs(hosts) do
      all = all and utils.ends_with(with_dot(host):lower(), with_dot(suffix):lower())
    end
    if all and (best == nil or #suffix > #best) then
      best, found = suffix, routing
    end
  end
  return found
end

local function first_domain(msg)
  local recipient = msg:recipient_list()[1]
  return recipient and recipient.domain
end

-- The MX of a domain; nil, after a line in the log, when they cannot be had.
local function look_up(domain)
  local ok, mx = pcall(kumo.dns.lookup_mx, domain)
  if ok then
    return mx
  end
  kumo.log_warn(('rollup: %s: %s'):format(domain, tostring(mx)))
end

local function preferred_hosts(mx)
  local lowest
  for preference in pairs(mx.by_pref) do
    if lowest == nil or tonumber(preference) < tonumber(lowest) then
      lowest = preference
    end
  end
  return lowest and mx.by_pref[lowest] or {}
end

--- Routes a message by its MX: when every MX host of the first recipient's domain ends in one of the suffixes, its
--- metadata `routing_domain` becomes what stands for that suffix (not when that is the domain itself). DNS errors are
--- logged and change nothing.
---@param msg message
---@param mapping table<string, string> suffix of host names to routing domain
function mod.reroute_based_on_mx_host_suffix(msg, mapping)
  local domain = first_domain(msg)
  local mx = domain and look_up(domain)
  local routing = mx and routing_for(mx.hosts, mapping)
  if routing and routing ~= domain then
    msg:set_meta('routing_domain', routing)
  end
end

--- As reroute_based_on_mx_host_suffix, for the hosts of the best preference alone, and takes `routing_domain` away where
--- none of the suffixes fits. The routing domains end in `.ip_rollup`, see apply_ip_rollup_to_queue_config.
---@param msg message
---@param mapping table<string, string>
function mod.reroute_using_ip_rollup(msg, mapping)
  local domain = first_domain(msg)
  local mx = domain and look_up(domain)
  if mx then
    msg:set_meta('routing_domain', routing_for(preferred_hosts(mx), mapping))
  end
end

--- For `get_queue_config`: when the routing domain ends in `.ip_rollup`, the queue sends to the addresses of the best MX
--- hosts of the domain, in order of the addresses, so that all domains on the same addresses have the same list.
---@param domain string
---@param routing_domain string?
---@param params table options for kumo.make_queue_config, changed in place
function mod.apply_ip_rollup_to_queue_config(domain, routing_domain, params)
  if not routing_domain or not utils.ends_with(routing_domain, IP_ROLLUP) then
    return
  end
  local list = {}
  for _, host in ipairs(preferred_hosts(kumo.dns.lookup_mx(domain))) do
    local name = host:gsub('%.$', '')
    for _, address in ipairs(kumo.dns.lookup_addr(host)) do
      list[#list + 1] = { name = name, addr = address }
    end
  end
  table.sort(list, function(a, b)
    return a.addr < b.addr
  end)
  params.protocol = params.protocol or {}
  params.protocol.smtp = params.protocol.smtp or {}
  params.protocol.smtp.mx_list = list
end

return mod
