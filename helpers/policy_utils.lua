--[[
Small functions that policies and the other helpers share: merging tables, reading data files, comparing values.

    local utils = require 'policy-extras.policy_utils'
    local limits = utils.load_json_or_toml_file '/etc/moonpost/policy/limits.toml'
]]
local kumo = require 'kumo'

local mod = {}

--- Copies the keys of `src` into `dest`, one level deep.
---@param src table? nothing is copied when nil
---@param dest table changed in place
---@return table dest
function mod.merge_into(src, dest)
  if src ~= nil then
    for key, value in pairs(src) do
      dest[key] = value
    end
  end
  return dest
end

local function look_into(value)
  for _ in pairs(value) do
    break
  end
end

--- Whether `pairs` walks the value: a table, or an object with entries such as what kumo.memoize remembered.
---@param value any
---@return boolean
function mod.is_walkable(value)
  return type(value) == 'table' or (type(value) == 'userdata' and (pcall(look_into, value)))
end

local is_walkable = mod.is_walkable

--- Copies the keys of `src` into `dest`: tables in both are merged the same way (lists by index), anything else is
--- overwritten. A table that `dest` lacks is shared with `src` from then on, not copied.
---@param src table? nothing is copied when nil
---@param dest table changed in place
---@return table dest
function mod.recursive_merge_into(src, dest)
  if src ~= nil then
    for key, value in pairs(src) do
      if is_walkable(value) and type(dest[key]) == 'table' then
        mod.recursive_merge_into(value, dest[key])
      else
        dest[key] = value
      end
    end
  end
  return dest
end

--- A copy that shares no table with the original. Also makes plain tables of what kumo.memoize gave.
---@generic T
---@param value T
---@return T
function mod.deep_copy(value)
  if not is_walkable(value) then
    return value
  end
  local copy = {}
  for key, inner in pairs(value) do
    copy[key] = mod.deep_copy(inner)
  end
  return copy
end

--- Whether a value of the table equals `v`; false when `v` is nil.
---@param tbl table
---@param v any
---@return boolean
function mod.table_contains(tbl, v)
  if v == nil then
    return false
  end
  for _, value in pairs(tbl) do
    if value == v then
      return true
    end
  end
  return false
end

--- The keys of a table as a list, in no particular order.
---@param tbl table
---@return any[]
function mod.table_keys(tbl)
  local keys = {}
  for key in pairs(tbl) do
    keys[#keys + 1] = key
  end
  return keys
end

local function by_text(a, b)
  if math.type(a) and math.type(b) then
    return a < b
  end
  return tostring(a) < tostring(b)
end

--- The keys of a table as a list, in order; for what is shown to people, or must not change from run to run.
---@param tbl table
---@return any[]
function mod.sorted_keys(tbl)
  local keys = mod.table_keys(tbl)
  table.sort(keys, by_text)
  return keys
end

---@param tbl table
---@return boolean
function mod.table_is_empty(tbl)
  for _ in pairs(tbl) do
    return false
  end
  return true
end

--- What a data file says: TOML when the name ends in `.toml`, else JSON. A table is taken for what a file would say
--- and comes back as it is. Raises an error that names the file, and the line where it cannot be read as that.
---@param file string|table
---@return table
function mod.load_json_or_toml_file(file)
  if type(file) == 'table' then
    return file
  end
  if type(file) ~= 'string' then
    error(('expected the name of a file or a table, got a %s'):format(type(file)), 2)
  end
  if mod.ends_with(file, '.toml') then
    return kumo.serde.toml_load(file)
  end
  return kumo.serde.json_load(file)
end

--- Whether `s` begins with the text `t` (no pattern).
---@param s string
---@param t string
---@return boolean
function mod.starts_with(s, t)
  return s:sub(1, #t) == t
end

--- Whether `s` ends with the text `t` (no pattern). An empty `t` ends only an empty `s`.
---@param s string
---@param t string
---@return boolean
function mod.ends_with(s, t)
  if t == '' then
    return s == ''
  end
  return s:sub(-#t) == t
end

--- Splits `192.0.2.1:25` or `[2001:db8::1]:25`.
---@param text string
---@return string? ip without square brackets; nil when the text has no port
---@return string? port
function mod.split_ip_port(text)
  local ip, port = text:match '^%[(.*)%]:(%d+)$'
  if not ip then
    ip, port = text:match '^(.*):(%d+)$'
  end
  return ip, port
end

local function dump(value, indent, seen)
  if type(value) == 'string' then
    return ('%q'):format(value)
  end
  if not is_walkable(value) then
    return tostring(value)
  end
  if seen[value] then
    return '<cycle>'
  end
  seen[value] = true
  local lines = {}
  local inner = indent .. '  '
  for _, key in ipairs(mod.sorted_keys(value)) do
    local name = type(key) == 'string' and key:match '^[%a_][%w_]*$' or ('[%s]'):format(dump(key, inner, seen))
    lines[#lines + 1] = ('%s%s = %s,\n'):format(inner, name, dump(value[key], inner, seen))
  end
  seen[value] = nil
  if #lines == 0 then
    return '{}'
  end
  return ('{\n%s%s}'):format(table.concat(lines), indent)
end

--- A value as text for people, over several lines, with sorted keys. nil for nil.
---@param v any
---@return string?
function mod.dumps(v)
  if v == nil then
    return nil
  end
  return dump(v, '', {})
end

--- Whether both are equal; tables are compared by what is in them.
---@param a any
---@param b any
---@return boolean
function mod.equals(a, b)
  if rawequal(a, b) then
    return true
  end
  if type(a) ~= 'table' or type(b) ~= 'table' then
    return a == b
  end
  for key, value in pairs(a) do
    if not mod.equals(value, b[key]) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

local function shown(value)
  return mod.dumps(value) or 'nil'
end

--- Raises an error unless both are equal.
---@param actual any
---@param expected any
---@param message string? said before the values
function mod.assert_eq(actual, expected, message)
  if not mod.equals(actual, expected) then
    error(('%sexpected %s, got %s'):format(message and message .. ': ' or '', shown(expected), shown(actual)), 2)
  end
end

--- Raises an error when both are equal.
---@param actual any
---@param unexpected any
---@param message string? said before the value
function mod.assert_ne(actual, unexpected, message)
  if mod.equals(actual, unexpected) then
    error(('%sexpected anything but %s'):format(message and message .. ': ' or '', shown(unexpected)), 2)
  end
end

--- Raises an error unless the regular expression matches somewhere in the text.
---@param text string
---@param pattern string
---@param message string? said before the text
function mod.assert_matches(text, pattern, message)
  if not kumo.regex.compile(pattern):is_match(text) then
    error(('%sexpected %q to match %q'):format(message and message .. ': ' or '', text, pattern), 2)
  end
end

return mod
