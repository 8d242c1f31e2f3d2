--[[
How a queue gets its configuration from what the files of the queue helper say, and where each part of it stands.

Later layers beat earlier ones, option by option:
  refresh_strategy = 'Epoch' -> [queue.default] -> the domain -> the tenant -> the campaign of the tenant
  -> the tenant within the domain -> the campaign within that.
One entry of [queue.*] counts for a domain: its own, else that of a wildcard.
]]
local kumo = require 'kumo'
local data_files = require 'policy-extras.data_files'
local utils = require 'policy-extras.policy_utils'

local mod = {}

-- What kumo.make_queue_config does not know.
local HELPER_ONLY = { routing_domain = true, overall_max_message_rate = true, require_authz = true, campaigns = true }
local PATH_EVENT = 'get_egress_path_config'
local UNSPECIFIED = 'unspecified'

---@class policy-extras.queue.Layer
---@field options table
---@field paths (string|integer)[][] where it may stand in a file

-- Both spellings of the place of a block.
local function paths_of(kind, ...)
  return { { kind, ... }, { kind .. 's', ... } }
end

-- Most blocks of which a Lua state keeps a copy.
local MOST_COPIES = 4096

-- Plain copies of blocks that were looked up: what kumo.memoize keeps takes longer to read.
local copies = {}

local function copies_of(data)
  if copies.data ~= data or copies.count >= MOST_COPIES then
    copies = {
      data = data,
      count = 0,
      headers = utils.deep_copy(data.headers),
      default = utils.deep_copy(data.default),
      tenants = {},
      queues = {},
    }
  end
  return copies
end

local function block(data, kind, name)
  local kept = copies_of(data)
  local found = kept[kind][name]
  if found == nil then
    found = data[kind][name]
    found = found and utils.deep_copy(found) or false
    kept[kind][name] = found
    kept.count = kept.count + 1
  end
  return found or nil
end

--- The keys at the top of the files.
---@param data table see queue/data.lua
---@return table<string, string|boolean>
function mod.headers(data)
  return copies_of(data).headers
end

--- What [tenant.NAME] says; nil when no file defines it.
---@param data table
---@param name string
---@return table?
function mod.tenant(data, name)
  return block(data, 'tenants', name)
end

--- The blocks that apply to a queue, weakest first.
---@param data table see queue/data.lua
---@param domain string
---@param tenant string?
---@param campaign string?
---@return policy-extras.queue.Layer[]
function mod.layers(data, domain, tenant, campaign)
  local layers = { { options = copies_of(data).default, paths = paths_of('queue', 'default') } }
  local function add(options, paths)
    layers[#layers + 1] = { options = options, paths = paths }
  end
  local queue = block(data, 'queues', domain:lower())
  if queue then
    add(queue.options, paths_of('queue', queue.domain))
  end
  local definition = tenant and block(data, 'tenants', tenant)
  if definition then
    add(definition.options, paths_of('tenant', tenant))
    local known = campaign and definition.campaigns[campaign]
    if known then
      local paths = paths_of('tenant', tenant, 'campaigns', campaign)
      paths[3] = { 'tenant', tenant, 'campaign', campaign }
      add(known.options, paths)
    end
  end
  local within = queue and tenant and queue.tenants[tenant]
  if within then
    local paths = paths_of('queue', queue.domain, tenant)
    paths[3] = { 'queues', queue.domain, 'tenants', tenant }
    add(within.options, paths)
    local known = campaign and within.campaigns[campaign]
    if known then
      local inner = paths_of('queue', queue.domain, tenant, campaign)
      inner[3] = { 'queues', queue.domain, 'tenants', tenant, 'campaigns', campaign }
      add(known, inner)
    end
  end
  return layers
end

--- The options of a queue, those of the helper itself among them.
---@param data table
---@param domain string
---@param tenant string?
---@param campaign string?
---@return table
function mod.params(data, domain, tenant, campaign)
  local params = { refresh_strategy = 'Epoch' }
  for _, layer in ipairs(mod.layers(data, domain, tenant, campaign)) do
    utils.merge_into(layer.options, params)
  end
  return params
end

--- Takes out what only the helper knows.
---@param params table changed in place
---@return table params for kumo.make_queue_config
function mod.queue_options(params)
  for name in pairs(HELPER_ONLY) do
    params[name] = nil
  end
  return params
end

local look_up_provider = kumo.memoize(function(routing_domain)
  local found, mx = pcall(kumo.dns.lookup_mx, routing_domain)
  if not found then
    return nil
  end
  local ok, path = pcall(kumo.invoke_get_egress_path_config, routing_domain, UNSPECIFIED, mx.site_name)
  -- What is not set is NULL, which is not nil.
  return ok and type(path.provider_name) == 'string' and path.provider_name or nil
end, {
  name = 'queue.lua_resolve_provider',
  ttl = '1 minute',
  capacity = 4096,
  invalidate_with_epoch = true,
})

--- The provider that shaping names for a domain: what `get_egress_path_config` says of its site, for the source
--- `unspecified`. nil when it says nothing, or when the domain has no MX.
---@param domain string
---@param routing_domain string?
---@return string?
function mod.resolve_provider(domain, routing_domain)
  if #kumo.get_event_registrars(PATH_EVENT) == 0 then
    return nil
  end
  return look_up_provider(routing_domain or domain)
end

local function origin_of(read, layer, option)
  local paths = {}
  for i, path in ipairs(layer.paths) do
    paths[i] = { table.unpack(path) }
    table.insert(paths[i], option)
  end
  local from, path = data_files.last_with(read, paths)
  if not from then
    return { kind = 'helper', section = data_files.section(layer.paths[1]) }
  end
  local origin = { kind = 'file', file = from.name, section = data_files.section { table.unpack(path, 1, #path - 1) } }
  if from.file then
    local ok, line, column = pcall(kumo.policy.locate, from.file, path)
    if ok then
      origin.line, origin.column = line, column
    end
  end
  return origin
end

-- Names of domains in a file may be written in upper case.
local function lower_case_domains(read)
  local lowered = {}
  for i, from in ipairs(read) do
    local data = utils.merge_into(from.data, {})
    for _, key in ipairs { 'queue', 'queues' } do
      if utils.is_walkable(data[key]) then
        local queues = {}
        for name, queue in pairs(data[key]) do
          queues[tostring(name):lower()] = queue
        end
        data[key] = queues
      end
    end
    lowered[i] = { name = from.name, file = from.file, data = data }
  end
  return lowered
end

--- Where each option of a queue comes from, for the event `explain_queue_config`.
---@param data table
---@param files (string|table)[]
---@return {option: string, value: any, origin: table}[]
function mod.explain(data, files, domain, tenant, campaign, routing_domain)
  local read = lower_case_domains(data_files.read(files))
  local found = { refresh_strategy = { value = 'Epoch', origin = { kind = 'helper', section = 'queue helper' } } }
  for _, layer in ipairs(mod.layers(data, domain, tenant, campaign)) do
    for option, value in pairs(layer.options) do
      if not HELPER_ONLY[option] then
        found[option] = { value = utils.deep_copy(value), origin = origin_of(read, layer, option) }
      end
    end
  end
  if not found.provider_name then
    local provider = mod.resolve_provider(domain, routing_domain)
    if provider then
      found.provider_name = { value = provider, origin = { kind = 'provider', provider = provider } }
    end
  end
  local list = {}
  for _, option in ipairs(utils.sorted_keys(found)) do
    list[#list + 1] = { option = option, value = found[option].value, origin = found[option].origin }
  end
  return list
end

return mod
