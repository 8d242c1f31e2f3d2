--[[
Data files of the other helpers: reading them, keeping what they say until the next configuration epoch, and telling
what is wrong with them by file, line and section.

A change of a file that was read here begins a new epoch by itself, on every shard at one instant, and only when all
of the policy and its files are in order. What a file said when it was in order last stays in force until then.
]]
local kumo = require 'kumo'
local utils = require 'policy-extras.policy_utils'

local mod = {}

-- The epoch says when to read again, not the time.
local FOREVER = '365 days'
-- Most mistakes that are told at once.
local MOST_FINDINGS = 50

---@class policy-extras.DataFile
---@field name string of the file, or `inline table 1`
---@field file string? its path; nil for a table of the policy
---@field data table what it says

---@class policy-extras.Finding
---@field from policy-extras.DataFile
---@field path (string|integer)[] keys down to what is wrong
---@field text string

---@class policy-extras.Findings
---@field errors policy-extras.Finding[]
---@field warnings policy-extras.Finding[]
local Findings = {}
Findings.__index = Findings

--- A list of mistakes, empty at first.
---@return policy-extras.Findings
function mod.findings()
  return setmetatable({ errors = {}, warnings = {} }, Findings)
end

--- Notes a mistake.
---@param from policy-extras.DataFile
---@param path (string|integer)[] keys down to the value, its own last
---@param text string
function Findings:add(from, path, text)
  table.insert(self.errors, { from = from, path = path, text = text })
end

--- Notes something that has no effect or looks wrong, and stops nothing.
---@param from policy-extras.DataFile
---@param path (string|integer)[]
---@param text string
function Findings:warn(from, path, text)
  table.insert(self.warnings, { from = from, path = path, text = text })
end

local function quoted(key)
  if type(key) == 'string' and key:match '^[%w_-]+$' then
    return key
  end
  return ('%q'):format(tostring(key))
end

--- The heading of a section, as TOML has it: `[queue."example.org"]`.
---@param path (string|integer)[]
---@return string
function mod.section(path)
  local parts = {}
  for i, key in ipairs(path) do
    parts[i] = quoted(key)
  end
  return ('[%s]'):format(table.concat(parts, '.'))
end

--- `FILE:LINE:COLUMN` of a value, or of the table where it would be.
---@param from policy-extras.DataFile
---@param path (string|integer)[]
---@return string
---@return integer line 0 when it is not known
function mod.place(from, path)
  if not from.file then
    return from.name, 0
  end
  local ok, line, column = pcall(kumo.policy.locate, from.file, path)
  if not ok or not line then
    return from.file, 0
  end
  return ('%s:%d:%d'):format(from.file, line, column), line
end

--- A finding as a line of text.
---@param finding policy-extras.Finding
---@return string
---@return integer line of the file, for sorting
function mod.describe(finding)
  local where, line = mod.place(finding.from, finding.path)
  local section = #finding.path > 1 and mod.section { table.unpack(finding.path, 1, #finding.path - 1) } .. ' ' or ''
  return ('%s: %s%s'):format(where, section, finding.text), line
end

-- Findings as lines, in the order of files and lines.
---@param list policy-extras.Finding[]
---@return string[]
local function lines_of(list)
  local found, order, count = {}, {}, 0
  for i, finding in ipairs(list) do
    local name = finding.from.name
    if not order[name] then
      count = count + 1
      order[name] = count
    end
    local text, line = mod.describe(finding)
    found[i] = { text = text, line = line, file = order[name], at = i }
  end
  table.sort(found, function(a, b)
    if a.file ~= b.file then
      return a.file < b.file
    end
    if a.line ~= b.line then
      return a.line < b.line
    end
    return a.at < b.at
  end)
  local lines = {}
  for i, one in ipairs(found) do
    if i > MOST_FINDINGS then
      lines[i] = ('and %d more'):format(#found - MOST_FINDINGS)
      break
    end
    lines[i] = one.text
  end
  return lines
end

--- Raises an error that names all mistakes, if there are any. Warnings are logged.
function Findings:raise()
  if #self.warnings > 0 and not _VALIDATING_CONFIG then
    kumo.log_warn(table.concat(lines_of(self.warnings), '\n'))
  end
  if #self.errors > 0 then
    error(table.concat(lines_of(self.errors), '\n'), 0)
  end
end

--- For `validate_config`: prints the warnings, and makes the validation fail when there are mistakes.
function Findings:report()
  for _, line in ipairs(lines_of(self.warnings)) do
    print('WARNING: ' .. line)
  end
  if #self.errors > 0 then
    kumo.validation_failed(table.concat(lines_of(self.errors), '\n'))
  end
end

--- Reads files in order. A name that ends in `.toml` is TOML, another one JSON; a table stands for what a file says.
---@param files (string|table)[]
---@return policy-extras.DataFile[]
function mod.read(files)
  local read = {}
  for i, file in ipairs(files) do
    local is_file = type(file) == 'string'
    local data = utils.load_json_or_toml_file(file)
    local name = is_file and file or ('inline table %d'):format(i)
    if not utils.is_walkable(data) then
      error(('%s: expected a table, got a %s'):format(name, type(data)), 0)
    end
    read[i] = { name = name, file = is_file and file or nil, data = data }
  end
  return read
end

--- The value by a path of keys, in the data of a file; nil where there is none.
---@param data any
---@param path (string|integer)[]
---@return any
function mod.value_at(data, path)
  for _, key in ipairs(path) do
    if not utils.is_walkable(data) then
      return nil
    end
    data = data[key]
  end
  return data
end

--- The last of the files that has a value by one of the paths, and that path. Later files beat earlier ones.
---@param read policy-extras.DataFile[]
---@param paths (string|integer)[][] spellings of the same place
---@return policy-extras.DataFile?
---@return (string|integer)[]? path
function mod.last_with(read, paths)
  for i = #read, 1, -1 do
    for _, path in ipairs(paths) do
      if mod.value_at(read[i].data, path) ~= nil then
        return read[i], path
      end
    end
  end
end

--- Checks that `files` is a list, as the setup functions of the helpers take it.
---@param files any
---@param what string named in the error
---@return (string|table)[]
function mod.file_list(files, what)
  if type(files) == 'string' then
    files = { files }
  end
  if type(files) ~= 'table' then
    error(('%s: expected a list of file names, got a %s'):format(what, type(files)), 0)
  end
  for key in pairs(files) do
    if math.type(key) ~= 'integer' then
      error(("%s: expected a list of file names, got a table with the key '%s'"):format(what, tostring(key)), 0)
    end
  end
  return files
end

--- A loader: a function that takes a list of files and gives what `parse` makes of them, once per epoch and shard.
--- `parse` gets the files as read, and a list for the mistakes it finds, all of which are raised together.
---@param name string of the cache
---@param parse fun(read: policy-extras.DataFile[], findings: policy-extras.Findings): any
---@return fun(files: (string|table)[]): any
function mod.loader(name, parse)
  return kumo.memoize(function(files)
    local findings = mod.findings()
    local result = parse(mod.read(files), findings)
    findings:raise()
    return result
  end, {
    name = name,
    ttl = FOREVER,
    capacity = 10,
    invalidate_with_epoch = true,
    keep_last_good = true,
  })
end

--- Reads the files now, and again when an epoch begins, so that no message waits for that and a bad file ends the
--- start. Gives a function that says what is in them.
---
--- A Lua state serves one policy generation, which is one epoch, so that within handlers it need not ask twice.
---@param load fun(files: (string|table)[]): any
---@param files (string|table)[]
---@return fun(): any
function mod.follow(load, files)
  if not _VALIDATING_CONFIG then
    load(files)
  end
  kumo.on('config_epoch_changed', function()
    load(files)
  end)
  local known
  return function()
    if known ~= nil then
      return known
    end
    local data = load(files)
    if _KUMO_CURRENT_EVENT then
      known = data
    end
    return data
  end
end

--- Registers a check for `moonpost --validate`, which a changed policy has to pass, too. What it raises is told, and
--- the checks of other helpers go on.
---@param check fun(findings: policy-extras.Findings)
function mod.on_validate(check)
  kumo.on('validate_config', function()
    local findings = mod.findings()
    local ok, problem = pcall(check, findings)
    if not ok then
      kumo.validation_failed(tostring(problem))
    end
    findings:report()
  end)
end

--- Marks a helper as set up. Raises an error when it was already.
---@param module table
---@param name string
function mod.configure_once(module, name)
  if module.CONFIGURED then
    error(('%s module has already been configured'):format(name), 3)
  end
  module.CONFIGURED = true
end

return mod
