--[[
Egress sources and pools from data files.

    require('policy-extras.sources'):setup { '/etc/moonpost/policy/sources.toml' }

A file, as TOML (or the same as JSON, when its name does not end in .toml):

    [source."ip-1"]              # any option of kumo.make_egress_source but its name
    source_address = "192.0.2.1"
    ehlo_domain = "mta-1.example.com"

    [pool."pool-1"]              # a pool may be empty
    [pool."pool-1"."ip-1"]
    weight = 2                   # optional: its share of the traffic

With several files, options of a source in later ones beat those in earlier ones, and members are added to pools.
A table may stand in place of a file name. Answers `get_egress_source` and `get_egress_pool`.
]]
local kumo = require 'kumo'
local data_files = require 'policy-extras.data_files'
local utils = require 'policy-extras.policy_utils'

local mod = {
  --- True once a policy has set it up.
  CONFIGURED = false,
}

local SOURCE = 'make_egress_source'
local POOL_ENTRY = 'make_egress_pool.entries'
-- The names of a block in a file; the second one is for tables of the policy, but both do everywhere.
local KINDS = { source = 'source', sources = 'source', pool = 'pool', pools = 'pool' }

local is_table = utils.is_walkable

local function did_you_mean(name, names)
  local near = kumo.policy.nearest_name(tostring(name), names)
  return near and (", did you mean '%s'?"):format(near) or ''
end

local function below(path, key)
  local inner = { table.unpack(path) }
  inner[#inner + 1] = key
  return inner
end

-- Checks the options of a block, and adds them to `options`.
local function take_options(maker, where, path, block, options)
  local given, bad = {}, {}
  for key, value in pairs(block) do
    given[tostring(key)] = value
  end
  if given.name ~= nil then
    where.findings:add(where.from, below(path, 'name'), "'name' is the heading of the section, not an option")
    given.name = nil
  end
  for _, wrong in ipairs(kumo.policy.check_options(maker, given)) do
    bad[wrong.name] = true
    where.findings:add(where.from, below(path, wrong.name), wrong.message)
  end
  for key, value in pairs(given) do
    if not bad[key] then
      options[key] = value
    end
  end
end

local function read_source(where, path, block, into)
  local name = tostring(path[2])
  into[name] = into[name] or {}
  take_options(SOURCE, where, path, block, into[name])
end

local function read_pool(where, path, block, into)
  local name = tostring(path[2])
  local pool = into[name] or { entries = {}, members = {} }
  into[name] = pool
  for source, options in pairs(block) do
    local at = below(path, source)
    if is_table(options) then
      local entry = {}
      take_options(POOL_ENTRY, where, at, options, entry)
      entry.name = tostring(source)
      table.insert(pool.entries, entry)
      local from = { name = where.from.name, file = where.from.file }
      table.insert(pool.members, { source = entry.name, from = from, path = at })
    else
      local text = ("'%s': a member of a pool is a table, which may be empty"):format(tostring(source))
      where.findings:add(where.from, at, text)
    end
  end
end

local READERS = { source = read_source, pool = read_pool }

--- What the files say together: options of sources by name, and pools with their entries.
---@param read policy-extras.DataFile[]
---@param findings policy-extras.Findings
---@return {source: table<string, table>, pool: table<string, table>}
function mod.parse(read, findings)
  local result = { source = {}, pool = {} }
  for _, from in ipairs(read) do
    for key, blocks in pairs(from.data) do
      local kind = KINDS[key]
      if not kind then
        findings:add(from, { key }, ("unknown key '%s'%s"):format(key, did_you_mean(key, { 'source', 'pool' })))
      elseif not is_table(blocks) then
        findings:add(from, { key }, ("'%s': expected a table, got a %s"):format(key, type(blocks)))
      else
        for name, block in pairs(blocks) do
          if is_table(block) then
            READERS[kind]({ from = from, findings = findings }, { key, name }, block, result[kind])
          else
            findings:add(from, { key, name }, ("'%s': expected a table, got a %s"):format(name, type(block)))
          end
        end
      end
    end
  end
  return result
end

local load = data_files.loader('sources_data', mod.parse)

-- What the files that were set up say now.
local current

local function shown(files)
  local names = {}
  for i, file in ipairs(files) do
    names[i] = type(file) == 'string' and file or ('inline table %d'):format(i)
  end
  return table.concat(names, ', ')
end

--- The names of all pools, each with true.
---@return table<string, true>
function mod.pool_names()
  local names = {}
  for name in pairs(current().pool) do
    names[name] = true
  end
  return names
end

--- The names of all sources, each with true.
---@return table<string, true>
function mod.source_names()
  local names = {}
  for name in pairs(current().source) do
    names[name] = true
  end
  return names
end

local function make_source(name, files)
  local options = current().source[name]
  if not options then
    local near = did_you_mean(name, utils.table_keys(mod.source_names()))
    error(("source '%s' is not defined in %s%s"):format(name, shown(files), near), 0)
  end
  return kumo.make_egress_source(utils.merge_into(options, { name = name }))
end

local function make_pool(name, files)
  local pool = current().pool[name]
  if not pool then
    local near = did_you_mean(name, utils.table_keys(mod.pool_names()))
    error(("pool '%s' is not defined in %s%s"):format(name, shown(files), near), 0)
  end
  return kumo.make_egress_pool { name = name, entries = pool.entries }
end

local function check_members(data, findings)
  local used = {}
  for _, name in ipairs(utils.sorted_keys(data.pool)) do
    for _, member in ipairs(data.pool[name].members) do
      used[member.source] = true
      if not data.source[member.source] and member.source ~= 'unspecified' then
        local near = did_you_mean(member.source, utils.table_keys(data.source))
        local text = ("pool '%s' references source '%s' which is not defined%s"):format(name, member.source, near)
        findings:add(member.from, member.path, text)
      end
    end
  end
  return used
end

local function warn_of_unused(data, used, read, findings)
  for _, name in ipairs(utils.sorted_keys(data.source)) do
    if not used[name] then
      local from, path = data_files.last_with(read, { { 'source', name }, { 'sources', name } })
      if from then
        findings:warn(from, path, ("source '%s' is in no pool"):format(name))
      end
    end
  end
end

local function validate(files, findings)
  local read = data_files.read(files)
  local data = mod.parse(read, findings)
  if #findings.errors > 0 then
    return
  end
  for _, name in ipairs(utils.sorted_keys(data.source)) do
    local ok, problem = pcall(make_source, name, files)
    if not ok then
      local from, path = data_files.last_with(read, { { 'source', name }, { 'sources', name } })
      findings:add(from, path, tostring(problem))
    end
  end
  for _, name in ipairs(utils.sorted_keys(data.pool)) do
    local ok, problem = pcall(make_pool, name, files)
    if not ok then
      local from, path = data_files.last_with(read, { { 'pool', name }, { 'pools', name } })
      findings:add(from, path, tostring(problem))
    end
  end
  warn_of_unused(data, check_members(data, findings), read, findings)
end

--- Reads the files and registers `get_egress_source` and `get_egress_pool`. At the top of the policy, once.
---@param files (string|table)[]
function mod:setup(files)
  data_files.configure_once(mod, 'sources')
  files = data_files.file_list(files, 'sources')
  current = data_files.follow(load, files)
  kumo.on('get_egress_source', function(name)
    return make_source(name, files)
  end)
  kumo.on('get_egress_pool', function(name)
    return make_pool(name, files)
  end)
  data_files.on_validate(function(findings)
    validate(files, findings)
  end)
end

return mod
