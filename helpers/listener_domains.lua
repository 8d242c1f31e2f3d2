--[[
What listeners do with mail for, or from, a domain, from data files.

    local listener_domains = require 'policy-extras.listener_domains'
    kumo.on('get_listener_domain', listener_domains:setup { '/etc/moonpost/policy/listener_domains.toml' })

A file, as TOML (or the same as JSON, when its name does not end in .toml):

    ["example.org"]               # any option of kumo.make_listener_domain, and relay_from_authz
    relay_to = true
    ["*.example.org"]             # all domains below
    log_oob = "LogThenDrop"
    relay_from = ["192.0.2.0/24"]
    relay_from_authz = ["alice"]  # a session authenticated as one of these may send from the domain
    ["*"]                         # all that nothing else names
    relay_to = false
    [listener."0.0.0.0:25"."example.org"]  # for one listener alone
    relay_to = false

One block counts: that of the listener, else that of the domain for all listeners, else `*`. They are not merged with
each other; the same block in several files is, later files beating earlier ones. A table may stand in place of a file
name.
]]
local kumo = require 'kumo'
local data_files = require 'policy-extras.data_files'
local utils = require 'policy-extras.policy_utils'

local mod = {
  --- True once a policy has set it up.
  CONFIGURED = false,
}

local MAKER = 'make_listener_domain'
local EVERY_LISTENER = '*'
-- The option of ours.
local AUTHZ = 'relay_from_authz'

local is_table = utils.is_walkable

local function below(path, key)
  local inner = { table.unpack(path) }
  inner[#inner + 1] = key
  return inner
end

local function check_authz_list(value)
  if not is_table(value) then
    return false
  end
  for key, entry in pairs(value) do
    if math.type(key) ~= 'integer' or type(entry) ~= 'string' then
      return false
    end
  end
  return true
end

-- The text of what is wrong with an option that kumo.make_listener_domain does not take.
local function describe(wrong)
  if wrong.reason == 'unknown' and not wrong.nearest and kumo.policy.nearest_name(wrong.name, { AUTHZ }) then
    return ("unknown option '%s', did you mean '%s'?"):format(wrong.name, AUTHZ)
  end
  return wrong.message
end

local function read_block(from, path, block, findings, into)
  if not is_table(block) then
    findings:add(from, path, ("'%s': expected a table, got a %s"):format(path[#path], type(block)))
    return
  end
  local given, bad = {}, {}
  for key, value in pairs(block) do
    if key ~= AUTHZ then
      given[tostring(key)] = value
    elseif check_authz_list(value) then
      into[AUTHZ] = value
    else
      findings:add(from, below(path, key), ("'%s': expected a list of strings"):format(AUTHZ))
    end
  end
  for _, wrong in ipairs(kumo.policy.check_options(MAKER, given)) do
    bad[wrong.name] = true
    findings:add(from, below(path, wrong.name), describe(wrong))
  end
  for key, value in pairs(given) do
    if not bad[key] then
      into[key] = value
    end
  end
end

local function block_of(result, listener, domain)
  result[listener] = result[listener] or {}
  local name = tostring(domain):lower()
  result[listener][name] = result[listener][name] or {}
  return result[listener][name]
end

local function read_listeners(from, listeners, findings, result)
  if not is_table(listeners) then
    findings:add(from, { 'listener' }, "'listener': expected a table")
    return
  end
  for listener, domains in pairs(listeners) do
    if not is_table(domains) then
      findings:add(from, { 'listener', listener }, ("'%s': expected a table of domains"):format(listener))
    else
      for domain, block in pairs(domains) do
        local into = block_of(result, listener, domain)
        read_block(from, { 'listener', listener, domain }, block, findings, into)
      end
    end
  end
end

--- What the files say together: a domain_map of blocks for each listener, `*` for those of all listeners.
---@param read policy-extras.DataFile[]
---@param findings policy-extras.Findings
---@return table<string, domain_map>
function mod.parse(read, findings)
  local result = { [EVERY_LISTENER] = {} }
  for _, from in ipairs(read) do
    for domain, block in pairs(from.data) do
      if domain == 'listener' then
        read_listeners(from, block, findings, result)
      else
        read_block(from, { domain }, block, findings, block_of(result, EVERY_LISTENER, domain))
      end
    end
  end
  for listener, domains in pairs(result) do
    result[listener] = kumo.domain_map.new(domains)
  end
  return result
end

local load = data_files.loader('listener_domains_data', mod.parse)

--- The block that counts, or nil.
---@param data table see parse
---@param domain string
---@param listener string IP:PORT that the client connected to
---@return table?
function mod.find(data, domain, listener)
  local name = domain:lower()
  local own = data[listener]
  local every = data[EVERY_LISTENER]
  return own and own[name] or every[name] or every['*']
end

local function options_for(block, conn_meta)
  local options = utils.merge_into(block, {})
  local authz = options.relay_from_authz
  options.relay_from_authz = nil
  local authz_id = authz and conn_meta:get_meta 'authz_id'
  if authz_id and utils.table_contains(authz, authz_id) then
    options.relay_from = { (utils.split_ip_port(conn_meta:get_meta 'received_from')) }
  end
  return options
end

--- Reads the files. At the top of the policy, once.
---@param files (string|table)[]
---@return fun(domain: string, listener: string, conn_meta: connection_meta): listener_domain? handler for `get_listener_domain`
function mod:setup(files)
  data_files.configure_once(mod, 'listener_domains')
  files = data_files.file_list(files, 'listener_domains')
  local current = data_files.follow(load, files)
  data_files.on_validate(function(findings)
    mod.parse(data_files.read(files), findings)
  end)
  return function(domain, listener, conn_meta)
    local block = mod.find(current(), domain, listener)
    if block then
      return kumo.make_listener_domain(options_for(block, conn_meta))
    end
  end
end

return mod
