--[[
What can be told of where a message comes from, as results and as an Authentication-Results header (RFC 8601).

    local mail_auth = require 'policy-extras.mail_auth'

    kumo.on('smtp_server_message_received', function(msg)
      local auth = mail_auth.check(msg)
      if auth.iprev.result == 'fail' then
        msg:set_meta('suspicious', true)
      end
    end)

What follows from the results is for your policy to say.

The checks are dkim, spf, iprev, smtp_auth, dmarc (when dkim and spf are made) and arc. Mail that did not come over SMTP
has no client, and so neither spf nor iprev.
]]
local kumo = require 'kumo'
local utils = require 'policy-extras.policy_utils'

local mod = {}

-- Most names of an address that are looked up (as in RFC 7208 §5.5).
local MOST_NAMES = 10
local NO_SUCH_DOMAIN = 'no such domain'

---@class policy-extras.mail_auth.Result
---@field method string
---@field result string
---@field reason? string
---@field props? table<string, string>

---@class policy-extras.mail_auth.Options
---@field dkim? boolean every check is made unless it is false
---@field spf? boolean
---@field iprev? boolean
---@field smtp_auth? boolean
---@field dmarc? boolean made only when dkim and spf are
---@field arc? boolean
---@field add_auth_results_header? boolean default true
---@field server_id? string who says so in the header; default the name of the listener, else localhost
---@field resolver? string name of a resolver of kumo.dns.define_resolver

---@class policy-extras.mail_auth.Results
---@field dkim policy-extras.mail_auth.Result[]
---@field spf? policy-extras.mail_auth.Result
---@field iprev? policy-extras.mail_auth.Result
---@field smtp_auth? policy-extras.mail_auth.Result
---@field dmarc? policy-extras.mail_auth.Result
---@field arc? policy-extras.mail_auth.Result
---@field auth_results policy-extras.mail_auth.Result[] all of them, in the order of the header

local OPTIONS = {
  dkim = 'boolean',
  spf = 'boolean',
  iprev = 'boolean',
  smtp_auth = 'boolean',
  dmarc = 'boolean',
  arc = 'boolean',
  add_auth_results_header = 'boolean',
  server_id = 'string',
  resolver = 'string',
}

local function check_options(opts)
  for key, value in pairs(opts) do
    local expected = OPTIONS[key]
    if not expected then
      local near = kumo.policy.nearest_name(tostring(key), utils.table_keys(OPTIONS))
      local advice = near and (", did you mean '%s'?"):format(near) or ''
      error(("mail_auth.check: unknown option '%s'%s"):format(tostring(key), advice), 3)
    elseif type(value) ~= expected then
      error(('mail_auth.check: %s: expected a %s, got a %s'):format(key, expected, type(value)), 3)
    end
  end
end

local function without_port(address)
  return utils.split_ip_port(address) or address
end

--- Whether the names of an IP address lead back to it (RFC 8601 §2.7.3): `pass`, `fail`, `permerror` when it has no
--- name, `temperror` when that cannot be told now.
---@param ip string without a port
---@param resolver? string
---@return policy-extras.mail_auth.Result
function mod.iprev(ip, resolver)
  local function result(value, reason)
    return { method = 'iprev', result = value, reason = reason, props = { ['smtp.remote-ip'] = ip } }
  end
  local ok, names = pcall(kumo.dns.lookup_ptr, ip, resolver)
  if not ok then
    local is_absent = tostring(names):find(NO_SUCH_DOMAIN, 1, true)
    return result(is_absent and 'permerror' or 'temperror', is_absent and 'no PTR record' or 'PTR lookup failed')
  end
  if #names == 0 then
    return result('permerror', 'no PTR record')
  end
  local has_failed = false
  for i, name in ipairs(names) do
    if i > MOST_NAMES then
      break
    end
    local found, addresses = pcall(kumo.dns.lookup_addr, name, resolver)
    if found and utils.table_contains(addresses, ip) then
      return result 'pass'
    end
    has_failed = has_failed or not (found or tostring(addresses):find(NO_SUCH_DOMAIN, 1, true))
  end
  if has_failed then
    return result('temperror', 'address lookup failed')
  end
  return result('fail', 'no name leads back to the address')
end

--- The same for the client that sent a message; nil when it is not known.
---@param msg message
---@param resolver? string
---@return policy-extras.mail_auth.Result?
function mod.iprev_msg(msg, resolver)
  local peer = msg:get_meta 'received_from'
  return peer and mod.iprev(without_port(peer), resolver) or nil
end

-- How the client authenticated (RFC 8601 §2.7.4).
local function smtp_auth(msg)
  local props = { ['smtp.mailfrom'] = tostring(msg:sender()) }
  local authn_id = msg:get_meta 'authn_id'
  if authn_id then
    props['smtp.auth'] = authn_id
  end
  return { method = 'auth', result = authn_id and 'pass' or 'none', props = props }
end

local function dkim(msg, resolver)
  local results = msg:dkim_verify(resolver)
  if #results == 0 then
    return { { method = 'dkim', result = 'none', reason = 'message was not signed' } }
  end
  return results
end

-- nil for mail that did not come over SMTP: nobody knows its client.
local function spf(msg, resolver)
  local peer = msg:get_meta 'received_from'
  return peer and utils.split_ip_port(peer) and kumo.spf.check_msg(msg, resolver).result or nil
end

local function server_id(msg, opts)
  return opts.server_id or msg:get_meta 'hostname' or 'localhost'
end

--- Makes the checks, and adds an Authentication-Results header that tells them.
---@param msg message
---@param opts? policy-extras.mail_auth.Options
---@return policy-extras.mail_auth.Results
function mod.check(msg, opts)
  opts = opts or {}
  check_options(opts)
  local resolver = opts.resolver
  local results = { dkim = {}, auth_results = {} }
  if opts.dkim ~= false then
    results.dkim = dkim(msg, resolver)
  end
  if opts.spf ~= false then
    results.spf = spf(msg, resolver)
  end
  if opts.iprev ~= false then
    results.iprev = mod.iprev_msg(msg, resolver)
  end
  if opts.smtp_auth ~= false then
    results.smtp_auth = smtp_auth(msg)
  end
  if opts.dmarc ~= false and opts.dkim ~= false and opts.spf ~= false then
    local spf_result = results.spf or { method = 'spf', result = 'none' }
    results.dmarc = kumo.dmarc.check_msg(msg, results.dkim, resolver, spf_result, false).result
  end
  if opts.arc ~= false then
    results.arc = msg:arc_verify(resolver)
  end
  local all = results.auth_results
  for _, result in ipairs(results.dkim) do
    all[#all + 1] = result
  end
  for _, name in ipairs { 'spf', 'iprev', 'smtp_auth', 'dmarc', 'arc' } do
    all[#all + 1] = results[name]
  end
  if opts.add_auth_results_header ~= false then
    msg:add_authentication_results(server_id(msg, opts), all)
  end
  return results
end

return mod
