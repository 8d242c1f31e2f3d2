-- The assert library of the Lua tests: `local test = require 'testing'`.
-- A test file is a policy; each `test(name, fn)` in it becomes one test, run by policy.test.ts with the real engine.
-- fn gets the path of an empty folder of its own, and the URL of a server that tells what it was asked (kit/echo-server.ts).
local kumo = require 'kumo'

local testing = {}

local function show(value, depth)
  depth = depth or 0
  if type(value) == 'string' then
    return ('%q'):format(value)
  end
  if type(value) ~= 'table' or depth > 5 then
    return tostring(value)
  end
  local parts = {}
  for key, inner in pairs(value) do
    parts[#parts + 1] = ('[%s] = %s'):format(show(key), show(inner, depth + 1))
  end
  table.sort(parts)
  return '{' .. table.concat(parts, ', ') .. '}'
end

local function same(a, b)
  if type(a) ~= 'table' or type(b) ~= 'table' then
    return a == b and math.type(a) == math.type(b)
  end
  for key, value in pairs(a) do
    if not same(value, b[key]) then
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

--- Fails unless both are equal; tables are compared by what is in them, 1 and 1.0 differ.
function testing.equal(actual, expected)
  if not same(actual, expected) then
    error(('expected %s, got %s'):format(show(expected), show(actual)), 2)
  end
end

--- Fails unless fn raises an error whose text contains `part`.
function testing.raises(part, fn, ...)
  local ok, message = pcall(fn, ...)
  if ok then
    error(('expected an error with %q, got none'):format(part), 2)
  end
  if not tostring(message):find(part, 1, true) then
    error(('expected an error with %q, got %q'):format(part, tostring(message)), 2)
  end
end

--- Fails unless the pattern of Lua is found in the text.
function testing.matches(text, pattern)
  if not tostring(text):find(pattern) then
    error(('expected %q to match %q'):format(tostring(text), pattern), 2)
  end
end

return setmetatable(testing, {
  __call = function(_, name, fn)
    kumo.on('test: ' .. name, fn)
  end,
})
