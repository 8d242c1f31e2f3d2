--[[
Types for tables, so that a mistake in a policy is told where it is made, and not hours later.

    local typing = require 'policy-extras.typing'
    local Tenant = typing.record('Tenant', {
      pool = typing.string,
      weight = typing.default(typing.number, 1),
      senders = typing.option(typing.list(typing.string)),
    })

    local tenant = Tenant { pool = 'marketing' }
    tenant.wieght = 2   --> Tenant: unknown field 'wieght', did you mean 'weight'?
    tenant.weight = '2' --> Tenant: invalid value for field 'weight': expected number, got string

A type is called with a value and gives the value back, or raises an error. Records, lists and maps come back as new
tables that check every later assignment, too. `pairs`, `ipairs`, `#`, and all functions of kumo take them as they
take plain tables.
]]
local kumo = require 'kumo'
local utils = require 'policy-extras.policy_utils'

-- Tables that are assigned may be remembered ones, see kumo.memoize.
local is_walkable = utils.is_walkable

local mod = {}

---@class policy-extras.Type
---@field name string
---@field check fun(value: any): boolean, any  true and the value as the type has it, or false and why not
---@operator call(any): any

local Type = {
  __call = function(self, value)
    local ok, result = self.check(value)
    if not ok then
      error(('%s: %s'):format(self.name, result), 2)
    end
    return result
  end,
  __tostring = function(self)
    return self.name
  end,
}

---@param name string
---@param check fun(value: any): boolean, any
---@return policy-extras.Type
local function make_type(name, check)
  return setmetatable({ name = name, check = check }, Type)
end

---@param type_ any
---@return policy-extras.Type
local function a_type(type_)
  if getmetatable(type_) ~= Type then
    error(('expected a type, got %s'):format(type(type_)), 3)
  end
  return type_
end

local function primitive(name)
  return make_type(name, function(value)
    if type(value) == name then
      return true, value
    end
    return false, ('expected %s, got %s'):format(name, type(value))
  end)
end

mod.number = primitive 'number'
mod.string = primitive 'string'
mod.boolean = primitive 'boolean'
mod.Function = primitive 'function'

--- Anything but nil; option(any) for that too.
mod.any = make_type('any', function(value)
  if value == nil then
    return false, 'expected a value, got nil'
  end
  return true, value
end)

-- An empty table that stands for `store` and asks `assign` before each assignment. `__plain` is for the functions of
-- kumo, which read that table in place of this one.
local function guarded(store, type_, assign, read)
  return setmetatable({}, {
    __type = type_,
    __plain = store,
    __index = read or store,
    __newindex = assign,
    __len = function()
      return #store
    end,
    __pairs = function()
      return next, store, nil
    end,
  })
end

-- What was made by this very type needs no second look.
local function is_of(value, type_)
  if type(value) ~= 'table' then
    return false
  end
  local meta = getmetatable(value)
  return type(meta) == 'table' and meta.__type == type_
end

--- One of the given values.
---@param name string
---@param ... any
---@return policy-extras.Type
function mod.enum(name, ...)
  local values = { ... }
  local known = {}
  local shown = {}
  for i, value in ipairs(values) do
    known[value] = true
    shown[i] = tostring(value)
  end
  return make_type(name, function(value)
    if value ~= nil and known[value] then
      return true, value
    end
    return false, ("expected one of %s, got '%s'"):format(table.concat(shown, ', '), tostring(value))
  end)
end

--- The type, or nil.
---@param type_ policy-extras.Type
---@return policy-extras.Type
function mod.option(type_)
  local inner = a_type(type_)
  return make_type(('option<%s>'):format(inner.name), function(value)
    if value == nil then
      return true, nil
    end
    return inner.check(value)
  end)
end

--- The type; a field that is not given has this value. A table is made anew for each record.
---@param type_ policy-extras.Type
---@param value any
---@return policy-extras.Type
function mod.default(type_, value)
  local inner = a_type(type_)
  local ok, why = inner.check(value)
  if not ok then
    error(('the default is no %s: %s'):format(inner.name, why), 2)
  end
  return make_type(('default<%s>'):format(inner.name), function(given)
    if given == nil then
      return inner.check(value)
    end
    return inner.check(given)
  end)
end

--- The first of the types that takes the value.
---@param ... policy-extras.Type
---@return policy-extras.Type
function mod.variant(...)
  local types, names = { ... }, {}
  for i, type_ in ipairs(types) do
    names[i] = a_type(type_).name
  end
  local name = ('variant<%s>'):format(table.concat(names, ','))
  return make_type(name, function(value)
    local reasons = {}
    for i, type_ in ipairs(types) do
      local ok, result = type_.check(value)
      if ok then
        return true, result
      end
      reasons[i] = result
    end
    return false, table.concat(reasons, '; ')
  end)
end

--- A list whose every entry has the type.
---@param type_ policy-extras.Type
---@return policy-extras.Type
function mod.list(type_)
  local inner = a_type(type_)
  local self
  self = make_type(('list<%s>'):format(inner.name), function(value)
    if is_of(value, self) then
      return true, value
    end
    if not is_walkable(value) then
      return false, ('expected a list, got %s'):format(type(value))
    end
    local store = {}
    for key, entry in pairs(value) do
      if math.type(key) ~= 'integer' then
        return false, ("a list has no key '%s'"):format(tostring(key))
      end
      local ok, result = inner.check(entry)
      if not ok then
        return false, ('invalid value for entry %d: %s'):format(key, result)
      end
      store[key] = result
    end
    return true,
      guarded(store, self, function(_, key, entry)
        if math.type(key) ~= 'integer' then
          error(("%s: a list has no key '%s'"):format(self.name, tostring(key)), 2)
        end
        if entry ~= nil then
          local ok, result = inner.check(entry)
          if not ok then
            error(('%s: invalid value for entry %d: %s'):format(self.name, key, result), 2)
          end
          entry = result
        end
        store[key] = entry
      end)
  end)
  return self
end

--- A table whose every key and value have these types.
---@param key_type policy-extras.Type
---@param value_type policy-extras.Type
---@return policy-extras.Type
function mod.map(key_type, value_type)
  local keys, values = a_type(key_type), a_type(value_type)
  local self
  local function entry(key, value)
    local ok, key_result = keys.check(key)
    if not ok then
      return false, ("invalid key '%s': %s"):format(tostring(key), key_result)
    end
    local fine, result = values.check(value)
    if not fine then
      return false, ("invalid value for key '%s': %s"):format(tostring(key), result)
    end
    return true, key_result, result
  end
  self = make_type(('map<%s,%s>'):format(keys.name, values.name), function(given)
    if is_of(given, self) then
      return true, given
    end
    if not is_walkable(given) then
      return false, ('expected a table, got %s'):format(type(given))
    end
    local store = {}
    for key, value in pairs(given) do
      local ok, result, stored = entry(key, value)
      if not ok then
        return false, result
      end
      store[result] = stored
    end
    return true,
      guarded(store, self, function(_, key, value)
        if value == nil then
          store[key] = nil
          return
        end
        local ok, result, stored = entry(key, value)
        if not ok then
          error(('%s: %s'):format(self.name, result), 2)
        end
        store[result] = stored
      end)
  end)
  return self
end

-- What is said of a field that there is not.
local function unknown_field(key, fields)
  local names = {}
  for name in pairs(fields) do
    if name ~= '_dynamic' then
      names[#names + 1] = name
    end
  end
  local near = kumo.policy.nearest_name(tostring(key), names)
  return ("unknown field '%s'%s"):format(tostring(key), near and (", did you mean '%s'?"):format(near) or '')
end

-- Checks a field of a record. true and the value, or false and why.
local function check_field(fields, key, value)
  local type_ = fields[key]
  if type_ ~= nil then
    local ok, result = type_.check(value)
    if ok then
      return true, result
    end
    if value == nil then
      return false, ("missing value for field '%s' of type '%s'"):format(key, type_.name)
    end
    return false, ("invalid value for field '%s': %s"):format(key, result)
  end
  local dynamic = fields._dynamic
  local ok, why = false, nil
  if dynamic then
    ok, why = dynamic(key, value)
  end
  if ok then
    return true, value
  end
  if why ~= nil then
    return false, ("invalid value for field '%s': %s"):format(tostring(key), tostring(why))
  end
  return false, unknown_field(key, fields)
end

--- A table with these fields and no others. `_dynamic = function(key, value)` among them is asked about other keys: it
--- answers true, or false when there is no such field, or false and a text when its value is wrong.
---@param name string
---@param fields table<string, policy-extras.Type|function>
---@return policy-extras.Type
function mod.record(name, fields)
  for key, type_ in pairs(fields) do
    if key ~= '_dynamic' then
      a_type(type_)
    end
  end
  local self
  local function build(given)
    local store = {}
    for key, value in pairs(given) do
      local ok, result = check_field(fields, key, value)
      if not ok then
        return false, result
      end
      store[key] = result
    end
    for key, type_ in pairs(fields) do
      if key ~= '_dynamic' and store[key] == nil then
        local ok, result = type_.check(nil)
        if not ok then
          return false, ("missing value for field '%s' of type '%s'"):format(key, type_.name)
        end
        store[key] = result
      end
    end
    return true, store
  end
  self = make_type(name, function(given)
    if is_of(given, self) then
      return true, given
    end
    if not is_walkable(given) then
      return false, ('expected a table, got %s'):format(type(given))
    end
    local ok, store = build(given)
    if not ok then
      return false, store
    end
    local function assign(_, key, value)
      local fine, result = check_field(fields, key, value)
      if not fine then
        error(('%s: %s'):format(name, result), 2)
      end
      store[key] = result
    end
    local function read(_, key)
      local value = store[key]
      if value == nil and fields[key] == nil and not fields._dynamic then
        error(('%s: %s'):format(name, unknown_field(key, fields)), 2)
      end
      return value
    end
    return true, guarded(store, self, assign, read)
  end)
  return self
end

return mod
