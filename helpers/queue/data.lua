--[[
What the data files of the queue helper say: read, checked, merged. See helpers/queue.lua for how they look.

How a key within [queue.*] is told from the name of a tenant (or, one level down, of a campaign):
  1. The name of an option is that option. A value that the option does not take is an error, also when it is a table.
  2. Any other key whose value is no table is an error, which names the nearest option.
  3. A table by the name of a tenant that a file defines ([tenant.NAME]) is that tenant; for campaigns, likewise.
  4. A table whose name is nearly that of an option which takes a table (protocol, shrink_policy) is taken for a
     mistyped one, and is an error. Define the tenant to have it taken for one.
  5. Any other table is a tenant.
]]
local kumo = require 'kumo'
local data_files = require 'policy-extras.data_files'
local utils = require 'policy-extras.policy_utils'

local mod = {}

local MAKER = 'make_queue_config'
-- What takes a table, so that a table beside it may be a mistyped one.
local TABLE_OPTIONS = { 'protocol', 'shrink_policy' }

-- Keys at the top of a file that are no tables, with the type of their values.
local HEADER_OPTIONS = {
  scheduling_header = 'string',
  tenant_header = 'string',
  remove_tenant_header = 'boolean',
  campaign_header = 'string',
  remove_campaign_header = 'boolean',
  default_tenant = 'string',
}

-- Options of the helper itself, by place.
local OF_TENANT = { 'egress_pool', 'require_authz', 'overall_max_message_rate', 'routing_domain', 'campaigns' }
local OF_QUEUE = { 'overall_max_message_rate', 'require_authz', 'routing_domain' }

local option_names

-- All names that may stand in a block, for finding the nearest.
local function known_names(own)
  option_names = option_names or kumo.policy.option_names(MAKER)
  local names = { table.unpack(option_names) }
  for _, name in ipairs(own) do
    names[#names + 1] = name
  end
  return names
end

--- Whether a queue takes this option with this value.
---@param name string
---@param value any
---@return boolean
function mod.is_queue_config_option(name, value)
  return type(name) == 'string' and kumo.policy.check_option(MAKER, name, value) == nil
end

local function is_table(value)
  return utils.is_walkable(value)
end

local function is_list_of_strings(value)
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

-- Options of the helper: the text of what is wrong, or nil.
local OWN_CHECKS = {
  routing_domain = function(value)
    return type(value) ~= 'string' and ('expected a string, got a %s'):format(type(value)) or nil
  end,
  require_authz = function(value)
    return not is_list_of_strings(value) and 'expected a list of strings' or nil
  end,
  overall_max_message_rate = function(value)
    local wrong = kumo.policy.check_option(MAKER, 'max_message_rate', value)
    return wrong and wrong.message:gsub('^max_message_rate: ', '') or nil
  end,
}

---@class policy-extras.queue.Reader
---@field from policy-extras.DataFile
---@field findings policy-extras.Findings
---@field tenants table<string, table> those that any file defines
---@field pools table[] where pools are named
local Reader = {}
Reader.__index = Reader

local function below(path, key)
  local inner = { table.unpack(path) }
  inner[#inner + 1] = key
  return inner
end

function Reader:wrong(path, text)
  self.findings:add(self.from, path, text)
end

function Reader:unknown(path, own, more)
  local key = path[#path]
  local near = kumo.policy.nearest_name(tostring(key), known_names(own))
  local advice = near and (", did you mean '%s'?"):format(near) or ''
  self:wrong(path, ("unknown option '%s'%s%s"):format(tostring(key), advice, more or ''))
end

-- Takes a value that is one of the options of a queue or of the helper. True when the name is that of one.
function Reader:take_option(path, own, value, options)
  local key = path[#path]
  if utils.table_contains(own, key) and OWN_CHECKS[key] then
    local problem = OWN_CHECKS[key](value)
    if problem then
      self:wrong(path, ("'%s': %s"):format(key, problem))
    else
      options[key] = value
    end
    return true
  end
  if type(key) ~= 'string' then
    return false
  end
  local wrong = kumo.policy.check_option(MAKER, key, value)
  if wrong and wrong.reason == 'unknown' then
    return false
  end
  if wrong then
    self:wrong(path, wrong.message)
    return true
  end
  options[key] = value
  if key == 'egress_pool' then
    table.insert(self.pools, { name = value, from = self.from, path = path })
  end
  return true
end

function Reader:warn_ineffective(path, options)
  for _, name in ipairs { 'overall_max_message_rate', 'require_authz' } do
    if options[name] ~= nil then
      self.findings:warn(self.from, below(path, name), ("'%s' has an effect only in [tenant.*]"):format(name))
      options[name] = nil
    end
  end
end

-- A block that holds options and nothing else.
function Reader:options_only(path, block, own)
  local options = {}
  for _, key in ipairs(utils.sorted_keys(block)) do
    local at = below(path, key)
    if not self:take_option(at, own, block[key], options) then
      self:unknown(at, own)
    end
  end
  return options
end

-- Whether a table in [queue.*] is meant as a block of its own, named after a tenant or campaign.
function Reader:is_inner_block(path, value, known)
  local key = path[#path]
  if not is_table(value) then
    self:unknown(path, OF_QUEUE)
    return false
  end
  if known[key] then
    return true
  end
  local near = kumo.policy.nearest_name(tostring(key), TABLE_OPTIONS)
  if near then
    local advice = 'a tenant or campaign of that name must be defined in [tenant.*]'
    self:wrong(path, ("unknown option '%s', did you mean '%s'? (%s)"):format(key, near, advice))
    return false
  end
  return true
end

-- The campaigns that any tenant defines.
local function campaigns_of(tenants)
  local names = {}
  for _, tenant in pairs(tenants) do
    if is_table(tenant) then
      for name in pairs(is_table(tenant.campaigns) and tenant.campaigns or {}) do
        names[name] = true
      end
    end
  end
  return names
end

function Reader:tenant_in_queue(path, block)
  local result = { options = {}, campaigns = {} }
  local known = campaigns_of(self.tenants)
  for _, key in ipairs(utils.sorted_keys(block)) do
    local value, at = block[key], below(path, key)
    if not self.from.file and key == 'campaigns' and is_table(value) then
      for name, campaign in pairs(value) do
        result.campaigns[name] = self:options_only(below(at, name), campaign, OF_QUEUE)
        self:warn_ineffective(below(at, name), result.campaigns[name])
      end
    elseif not self:take_option(at, OF_QUEUE, value, result.options) and self:is_inner_block(at, value, known) then
      result.campaigns[key] = self:options_only(at, value, OF_QUEUE)
      self:warn_ineffective(at, result.campaigns[key])
    end
  end
  self:warn_ineffective(path, result.options)
  return result
end

function Reader:queue(path, block)
  local result = { options = {}, tenants = {} }
  for _, key in ipairs(utils.sorted_keys(block)) do
    local value, at = block[key], below(path, key)
    if not self.from.file and key == 'tenants' and is_table(value) then
      for name, tenant in pairs(value) do
        result.tenants[name] = self:tenant_in_queue(below(at, name), tenant)
      end
    elseif
      not self:take_option(at, OF_QUEUE, value, result.options) and self:is_inner_block(at, value, self.tenants)
    then
      result.tenants[key] = self:tenant_in_queue(at, value)
    end
  end
  self:warn_ineffective(path, result.options)
  return result
end

function Reader:campaigns(path, block)
  local result = {}
  if not is_table(block) then
    self:wrong(path, 'expected a table of campaigns')
    return result
  end
  for _, name in ipairs(utils.sorted_keys(block)) do
    local campaign, at = block[name], below(path, name)
    if is_table(campaign) then
      result[name] = { options = self:options_only(at, campaign, { 'overall_max_message_rate', 'routing_domain' }) }
      result[name].overall_max_message_rate = result[name].options.overall_max_message_rate
      result[name].options.overall_max_message_rate = nil
    else
      self:unknown(at, {}, '; a campaign is a table')
    end
  end
  return result
end

function Reader:tenant(path, block)
  local result = { options = {}, campaigns = {} }
  for _, key in ipairs(utils.sorted_keys(block)) do
    local value, at = block[key], below(path, key)
    if key == 'campaigns' or key == 'campaign' then
      utils.recursive_merge_into(self:campaigns(at, value), result.campaigns)
    elseif not self:take_option(at, OF_TENANT, value, result.options) then
      self:unknown(at, OF_TENANT)
    end
  end
  for _, name in ipairs { 'overall_max_message_rate', 'require_authz' } do
    result[name] = result.options[name]
    result.options[name] = nil
  end
  return result
end

function Reader:header(key, value, result)
  local expected = HEADER_OPTIONS[key]
  if not expected then
    local names = utils.merge_into({ tenant = 1, queue = 1 }, utils.merge_into(HEADER_OPTIONS, {}))
    local near = kumo.policy.nearest_name(tostring(key), utils.table_keys(names))
    self:wrong({ key }, ("unknown key '%s'%s"):format(key, near and (", did you mean '%s'?"):format(near) or ''))
  elseif type(value) ~= expected then
    self:wrong({ key }, ("'%s': expected a %s, got a %s"):format(key, expected, type(value)))
  else
    result[key] = value
  end
end

function Reader:blocks(key, blocks, read, into)
  if not is_table(blocks) then
    self:wrong({ key }, ("'%s': expected a table, got a %s"):format(key, type(blocks)))
    return
  end
  for _, name in ipairs(utils.sorted_keys(blocks)) do
    local path = { key, name }
    if is_table(blocks[name]) then
      into(tostring(name), read(self, path, blocks[name]))
    else
      self:wrong(path, ("'%s': expected a table, got a %s"):format(name, type(blocks[name])))
    end
  end
end

function Reader:file(result)
  for _, key in ipairs(utils.sorted_keys(self.from.data)) do
    local value = self.from.data[key]
    if key == 'tenant' or key == 'tenants' then
      self:blocks(key, value, Reader.tenant, function(name, tenant)
        result.tenants[name] = utils.recursive_merge_into(tenant, result.tenants[name] or {})
      end)
    elseif key == 'queue' or key == 'queues' then
      self:blocks(key, value, Reader.queue, function(name, queue)
        -- Domains reach policy in lower case.
        local domain = name:lower()
        queue.domain = domain
        result.queues[domain] = utils.recursive_merge_into(queue, result.queues[domain] or {})
      end)
    else
      self:header(key, value, result.headers)
    end
  end
end

-- The tenants that any file defines, as written.
local function tenants_of(read)
  local tenants = {}
  for _, from in ipairs(read) do
    for _, key in ipairs { 'tenant', 'tenants' } do
      local blocks = from.data[key]
      if is_table(blocks) then
        for name, tenant in pairs(blocks) do
          tenants[name] = tenant
        end
      end
    end
  end
  return tenants
end

--- What the files say together.
---@param read policy-extras.DataFile[]
---@param findings policy-extras.Findings
---@return table data {headers, tenants, default, queues (a domain_map), pools}
function mod.parse(read, findings)
  local result = { headers = {}, tenants = {}, queues = {}, pools = {} }
  local tenants = tenants_of(read)
  for _, from in ipairs(read) do
    local reader = { from = from, findings = findings, tenants = tenants, pools = result.pools }
    setmetatable(reader, Reader):file(result)
  end
  local default = result.queues.default or { options = {}, tenants = {} }
  result.queues.default = nil
  for name in pairs(default.tenants) do
    local from, path = data_files.last_with(read, { { 'queue', 'default', name }, { 'queues', 'default', name } })
    if from then
      findings:warn(from, path, ("'%s' has no effect: tenants stand below a domain"):format(name))
    end
  end
  result.default = default.options
  -- What is kept holds nothing of the files themselves.
  for _, pool in ipairs(result.pools) do
    pool.from = { name = pool.from.name, file = pool.from.file }
  end
  result.queues = kumo.domain_map.new(result.queues)
  return result
end

mod.load = data_files.loader('queue_helper_data', mod.parse)

return mod
