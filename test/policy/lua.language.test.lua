local test = require 'testing'

-- What policies written for Lua 5.4 with 64-bit integers rely on.

test('integers beyond 32 bits', function()
  test.equal(2 * 1024 * 1024 * 1024, 2147483648)
  test.equal(65536 * 65536, 4294967296)
  test.equal(0xFFFFFFFF, 4294967295)
  test.equal(tostring(3000000000) .. '|' .. 3000000000, '3000000000|3000000000')
  test.equal(('%d %x'):format(3000000000, 1 << 40), '3000000000 10000000000')
  test.equal(math.type(os.time() * 1000), 'integer')
  test.equal({ 2147483648 | 0, 1 << 32, 2147483647 + 1 }, { 2147483648, 4294967296, 2147483648 })
  test.equal('10' + 1, 11)
  local last
  for i = 2147483646, 2147483648 do
    last = i
  end
  test.equal(last, 2147483648)
  local count = 0
  for _ = 1, 3000000000, 1000000000 do
    count = count + 1
  end
  test.equal(count, 3)
end)

test('string.pack of 8 bytes', function()
  test.equal({ ('<i8'):pack(-2):byte(1, 8) }, { 254, 255, 255, 255, 255, 255, 255, 255 })
  test.equal({ ('>i8'):unpack(('>i8'):pack(123456789012)) }, { 123456789012, 9 })
  test.equal({ ('<I4'):unpack '\255\255\255\255' }, { 4294967295, 5 })
  test.equal(#string.pack('jTn', 1, 2, 3.5), 24)
end)

test('attributes, goto, floor division, bytes', function()
  local fixed <const> = 7
  local order = {}
  do
    local a <close> = setmetatable({}, {
      __close = function()
        order[1] = 'closed'
      end,
    })
  end
  test.equal({ fixed // 2, order[1] }, { 3, 'closed' })
  test.equal(('a\0b'):find('b', 1, true), 3)
  test.equal(("\x01\x12" == "\x11\x02"), false)
  test.equal('\n' < '0', true)
end)

test('what 5.3 did not have', function()
  local co = coroutine.create(function()
    coroutine.yield()
  end)
  coroutine.resume(co)
  test.equal(coroutine.close(co), true)
  test.equal(type(warn), 'function')
  test.equal(collectgarbage 'count' > 0, true)
  test.equal(math.type(math.random(0)), 'integer')
  local found = {}
  for word in ('a,b,c'):gmatch('%a', 2) do
    found[#found + 1] = word
  end
  for word in ('a,b,c'):gmatch('%a', -1) do
    found[#found + 1] = word
  end
  for _ in ('abc'):gmatch('%a', 10) do
    found[#found + 1] = 'beyond'
  end
  test.equal(found, { 'b', 'c', 'c' })
end)

test('require gives the place of the module too, once', function(directory)
  local file = assert(io.open(directory .. '/placed.lua', 'w'))
  file:write "return { given = { ... } }"
  file:close()
  package.path = directory .. '/?.lua;' .. package.path
  local module, place = require 'placed'
  test.equal(place, directory .. '/placed.lua')
  test.equal(module.given, { 'placed', place })
  test.equal(select('#', require 'placed'), 1)
  package.preload.ready = function(...)
    return { ... }
  end
  test.equal({ require 'ready' }, { { 'ready', ':preload:' }, ':preload:' })
  package.preload.silent = function() end
  test.equal({ require 'silent' }, { true, ':preload:' })
  test.raises("module 'absent' not found", require, 'absent')
end)

test('math.random: seeds, ranges, and refusals', function()
  local function three()
    return { math.random(1000), math.random(1000), math.random(1000) }
  end
  math.randomseed(42)
  local first = three()
  math.randomseed(42)
  test.equal(three(), first)
  math.randomseed(43)
  local other = three()
  test.equal(other[1] ~= first[1] or other[2] ~= first[2] or other[3] ~= first[3], true)
  local seen = {}
  for _ = 1, 500 do
    local n = math.random(-2, 2)
    seen[n] = (seen[n] or 0) + 1
    local f = math.random()
    assert(f >= 0 and f < 1)
  end
  for n = -2, 2 do
    assert(seen[n] > 50, 'badly spread')
  end
  test.equal(math.random(5, 5), 5)
  test.equal(math.type(math.random(1, 2 ^ 40 | 0)), 'integer')
  test.raises('interval is empty', math.random, 2, 1)
  math.randomseed()
end)

test('dates of UTC, beyond 2038', function()
  test.equal(os.date('!%Y-%m-%d %H:%M:%S', 0), '1970-01-01 00:00:00')
  test.equal(os.date('!*t', 1 << 33).year, 2242)
end)

test('waiting inside pcall, iterators and metamethods', function()
  local kumo = require 'kumo'
  local slow = setmetatable({}, {
    __index = function(_, key)
      kumo.time.sleep(0.001)
      return key
    end,
  })
  test.equal(slow.name, 'name')
  test.equal({ pcall(kumo.time.sleep, 0.001) }, { true })
  local steps = 0
  for _ in
    function()
      kumo.time.sleep(0.001)
      steps = steps + 1
      return steps < 3 and steps or nil
    end
  do
  end
  test.equal(steps, 3)
  local sorted = { 2, 1 }
  table.sort(sorted, function(a, b)
    kumo.time.sleep(0.001)
    return a < b
  end)
  test.equal(table.concat(sorted), '12')
  test.raises('not possible inside __tostring', function()
    tostring(setmetatable({}, {
      __tostring = function()
        kumo.time.sleep(0.001)
      end,
    }))
  end)
end)
