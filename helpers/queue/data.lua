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
local OF_TENANT = { require_authz = true, overall_max_message_rate = true, routing_domain = true }
local OF_CAMPAIGN = { overall_max_message_rate = true, routing_domain = true }
local OF_QUEUE = { overall_max_message_rate = true, require_authz = true, routing_domain = true }

-- Those that mean something in [tenant.*] and nowhere else.
local OF_TENANTS_ALONE = { 'overall_max_message_rate', 'require_authz' }

-- Names of the options of a queue, each with true.
local known_options

local function is_known_option(name)
  if not known_options then
    known_options = {}
    for _, known in ipairs(kumo.policy.option_names(MAKER)) do
      known_options[known] = true
    end
  end
  return known_options[name]
end

-- All names that may stand in a block, for finding the nearest.
local function known_names(own)
  local names = kumo.policy.option_names(MAKER)
  for name in pairs(own) do
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
  return type(value) == 'table' or utils.is_walkable(value)
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
---@field tenants table<string, true> those that any file defines
---@field campaigns table<string, true> those that any tenant has
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

-- Checks options of a queue, and adds them to `options`.
function Reader:take_options(path, own, given, options)
  local bad = {}
  for _, wrong in ipairs(kumo.policy.check_options(MAKER, given)) do
    bad[wrong.name] = true
    local at = below(path, wrong.name)
    if wrong.reason == 'unknown' then
      self:unknown(at, own)
    else
      self:wrong(at, wrong.message)
    end
  end
  for name, value in pairs(given) do
    if not bad[name] then
      options[name] = value
    end
  end
  if options.egress_pool then
    table.insert(self.pools, { name = options.egress_pool, from = self.from, path = below(path, 'egress_pool') })
  end
end

-- Reads a block: options of a queue, those of the helper that `own` names, and tables, which `inner` takes. Without
-- `inner` a table by an unknown name is a mistake. `inner` may decline a table, which is then passed over.
function Reader:block(path, block, own, inner)
  local given, options, has_any = {}, {}, false
  for key, value in pairs(block) do
    if is_known_option(key) then
      given[key] = value
      has_any = true
    elseif own[key] then
      local problem = OWN_CHECKS[key](value)
      if problem then
        self:wrong(below(path, key), ("'%s': %s"):format(key, problem))
      else
        options[key] = value
      end
    elseif inner and is_table(value) then
      inner(tostring(key), value)
    else
      given[tostring(key)] = value
      has_any = true
    end
  end
  if has_any then
    self:take_options(path, own, given, options)
  end
  return options
end

function Reader:warn_ineffective(path, options)
  for _, name in ipairs(OF_TENANTS_ALONE) do
    if options[name] ~= nil then
      self.findings:warn(self.from, below(path, name), ("'%s' has an effect only in [tenant.*]"):format(name))
      options[name] = nil
    end
  end
end

-- Whether a table in [queue.*] is meant as a block of its own, named after a tenant or campaign.
function Reader:is_inner_block(path, known)
  local key = path[#path]
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

-- Whether the keys of a table of the policy may be the plural ones.
function Reader:is_plural(key, name)
  return not self.from.file and key == name
end

function Reader:tenant_in_queue(path, block)
  local result = { campaigns = {} }
  local function campaign(at, name, value)
    result.campaigns[name] = self:block(at, value, OF_QUEUE)
    self:warn_ineffective(at, result.campaigns[name])
  end
  result.options = self:block(path, block, OF_QUEUE, function(key, value)
    local at = below(path, key)
    if self:is_plural(key, 'campaigns') then
      for name, inner in pairs(value) do
        campaign(below(at, name), name, inner)
      end
    elseif self:is_inner_block(at, self.campaigns) then
      campaign(at, key, value)
    end
  end)
  self:warn_ineffective(path, result.options)
  return result
end

function Reader:queue(path, block)
  local result = { tenants = {} }
  result.options = self:block(path, block, OF_QUEUE, function(key, value)
    local at = below(path, key)
    if self:is_plural(key, 'tenants') then
      for name, tenant in pairs(value) do
        result.tenants[name] = self:tenant_in_queue(below(at, name), tenant)
      end
    elseif self:is_inner_block(at, self.tenants) then
      result.tenants[key] = self:tenant_in_queue(at, value)
    end
  end)
  self:warn_ineffective(path, result.options)
  return result
end

function Reader:campaign_list(path, block, into)
  for name, campaign in pairs(block) do
    local at = below(path, name)
    if is_table(campaign) then
      local options = self:block(at, campaign, OF_CAMPAIGN)
      local rate = options.overall_max_message_rate
      options.overall_max_message_rate = nil
      into[name] = { options = options, overall_max_message_rate = rate }
    else
      self:wrong(at, ("'%s': a campaign is a table"):format(tostring(name)))
    end
  end
end

function Reader:tenant(path, block)
  local result = { campaigns = {} }
  result.options = self:block(path, block, OF_TENANT, function(key, value)
    local at = below(path, key)
    if key == 'campaigns' or key == 'campaign' then
      self:campaign_list(at, value, result.campaigns)
    else
      self:unknown(at, utils.merge_into({ campaigns = true }, utils.merge_into(OF_TENANT, {})))
    end
  end)
  for _, name in ipairs(OF_TENANTS_ALONE) do
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
  for name, block in pairs(blocks) do
    local path = { key, name }
    if is_table(block) then
      into(tostring(name), read(self, path, block))
    else
      self:wrong(path, ("'%s': expected a table, got a %s"):format(name, type(block)))
    end
  end
end

function Reader:file(result)
  for key, value in pairs(self.from.data) do
    if key == 'tenant' or key == 'tenants' then
      self:blocks(key, value, Reader.tenant, function(name, tenant)
        local before = result.tenants[name]
        result.tenants[name] = before and utils.recursive_merge_into(tenant, before) or tenant
      end)
    elseif key == 'queue' or key == 'queues' then
      self:blocks(key, value, Reader.queue, function(name, queue)
        -- Domains reach policy in lower case.
        local domain = name:lower()
        queue.domain = domain
        local before = result.queues[domain]
        result.queues[domain] = before and utils.recursive_merge_into(queue, before) or queue
      end)
    else
      self:header(key, value, result.headers)
    end
  end
end

local function add_campaigns(tenant, campaigns)
  for _, key in ipairs { 'campaigns', 'campaign' } do
    if is_table(tenant) and is_table(tenant[key]) then
      for name in pairs(tenant[key]) do
        campaigns[name] = true
      end
    end
  end
end

-- The names of the tenants that any file defines, and those of their campaigns, each with true.
local function defined_names(read)
  local tenants, campaigns = {}, {}
  for _, from in ipairs(read) do
    for _, key in ipairs { 'tenant', 'tenants' } do
      local blocks = from.data[key]
      if is_table(blocks) then
        for name, tenant in pairs(blocks) do
          tenants[name] = true
          add_campaigns(tenant, campaigns)
        end
      end
    end
  end
  return tenants, campaigns
end

--- What the files say together.
---@param read policy-extras.DataFile[]
---@param findings policy-extras.Findings
---@return table data {headers, tenants, default, queues (a domain_map), pools}
function mod.parse(read, findings)
  local result = { headers = {}, tenants = {}, queues = {}, pools = {} }
  local tenants, campaigns = defined_names(read)
  for _, from in ipairs(read) do
    local reader = { from = from, findings = findings, tenants = tenants, campaigns = campaigns, pools = result.pools }
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
