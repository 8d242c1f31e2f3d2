-- Where Lua 5.4 of KumoMTA and the interpreter below differ, policy must not notice.
local kumo = require 'kumo'
local test = require 'testing'

test('integers go beyond 32 bits', function()
  test.equal({ 2 * 1024 * 1024 * 1024, 65536 * 65536, 0xFFFFFFFF, 3000000000 }, { 2147483648, 4294967296, 4294967295, 3000000000 })
  test.equal(math.type(os.time() * 1000), 'integer')
  test.equal({ tostring(3000000000), 'q' .. 3000000000, ('%d'):format(3000000000), tostring(2 ^ 31), 2147483647 + 1 }, { '3000000000', 'q3000000000', '3000000000', '2147483648', 2147483648 })
  test.equal({ 1 << 40, 0x1F00000000 >> 32, 5000000000 & 0xFFFFFFFF, 5000000000 // 3, 5000000000 % 7 }, { 1099511627776, 31, 705032704, 1666666666, 5000000000 - 7 * 714285714 })
  test.equal({ math.tointeger '8', math.tointeger(3.0), math.tointeger(3.5) }, { math.tointeger '8', 3 })
  test.equal({ 7 // 2, 7 / 2, -7 // 2, -7 % 3, 7.0 // 2 }, { 3, 3.5, -4, 2, 3.0 })
  test.equal({ tostring(1e15), tostring(1.0), tostring(-0.0), tostring(0.1), tostring(1e100) }, { '1000000000000000', '1.0', '-0.0', '0.1', '1e+100' })
end)

test('text that is a number', function()
  test.equal({ '10' + 1, '0x10' + 0, '1.5' + 1, '10' * '2' }, { 11, 16, 2.5, 20 })
  test.equal({ tonumber '0x1F', tonumber '1e1', tonumber('z', 36), tonumber 'x', tonumber '5000000000' }, { 31, 10.0, 35, nil, 5000000000 })
end)

test('dates beyond 2038', function()
  local at = os.time { year = 2040, month = 1, day = 1, hour = 12 }
  test.equal({ math.type(at), at > 2147483648, os.date('!%Y', 2208988800) }, { 'integer', true, '2040' })
  test.equal(os.date('!*t', 2208988800).year, 2040)
  test.equal(os.date '!%H:%M' ~= nil, true)
end)

test('const and close', function()
  local limit <const> = 5
  local closed = {}
  do
    local a <close> = setmetatable({}, { __close = function() closed[#closed + 1] = 'a' end })
    local b <close> = setmetatable({}, { __close = function() closed[#closed + 1] = 'b' end })
    local none <close> = nil
  end
  test.equal({ limit, closed }, { 5, { 'b', 'a' } })
  local ok = pcall(function()
    local c <close> = setmetatable({}, { __close = function(_, e) closed[3] = tostring(e) end })
    error('why', 0)
  end)
  test.equal({ ok, closed[3] }, { false, 'why' })
  test.equal({ load 'local x <const> = 1 x = 2' == nil, (select(2, load 'local x <const> = 1 x = 2')):match 'const' }, { true, 'const' })
end)

test('files and the collector', function(directory)
  local path = directory .. '/a'
  local f = assert(io.open(path, 'w'))
  f:write('one\n', 2, '\n')
  f:close()
  local lines = {}
  for line in io.lines(path) do lines[#lines + 1] = line end
  test.equal(lines, { 'one', '2' })
  test.equal({ io.open(directory .. '/none') }, { nil, directory .. '/none: No such file or directory', 2 })
  test.equal(type(collectgarbage 'count'), 'number')
  collectgarbage()
  collectgarbage 'collect'
end)

test('functions of 5.4', function()
  local co = coroutine.create(function() coroutine.yield() end)
  coroutine.resume(co)
  test.equal({ coroutine.close(co), coroutine.status(co) }, { true, 'dead' })
  test.equal(type(warn), 'function')
  test.equal(string.unpack('<i8', string.pack('<i8', -5)), -5)
  test.equal(string.unpack('<I4', '\xff\xff\xff\xff'), 4294967295)
  test.equal(string.unpack('>I8', string.pack('>I8', 9007199254740991)), 9007199254740991)
  test.equal({ utf8.char(228, 8364), utf8.len 'ä€', #utf8.charpattern > 0 }, { 'ä€', 2, true })
  test.equal({ table.unpack(table.move({ 1, 2, 3 }, 1, 3, 2)) }, { 1, 1, 2, 3 })
  test.equal({ ('x'):rep(3, ','), ('abc'):find('b', 1, true), ('%q'):format('a\nb') }, { 'x,x,x', 2, '"a\\\nb"' })
end)

test('loops near the limit end', function()
  local count = 0
  for _ = 2147483646, 2147483649 do count = count + 1 end
  for _ = math.maxinteger - 1, math.maxinteger do count = count + 1 end
  test.equal(count, 6)
end)

test('functions that wait inside pcall, metamethods, iterators and sort', function()
  local function slow(v) kumo.time.sleep(0) return v end
  local object = setmetatable({}, { __index = function(_, k) return slow(k) end, __eq = function() return slow(true) end,
    __concat = function() return slow 'joined' end, __call = function(_, v) return slow(v) end, __add = function() return slow(3) end })
  test.equal({ object.key, object == setmetatable({}, getmetatable(object)), object .. '', object(5), object + 1 }, { 'key', true, 'joined', 5, 3 })
  test.equal({ select(2, xpcall(slow, print, 'x')) }, { 'x' })
end)

test('bytes stay bytes', function()
  local all = {}
  for i = 0, 255 do all[#all + 1] = string.char(i) end
  local text = table.concat(all)
  local m = kumo.make_message('a@x.example', 'b@y.example', 'X: 1\r\n\r\n' .. text)
  test.equal({ m:get_data():sub(-256) == text, #text, kumo.encode.hex_decode(kumo.encode.hex_encode(text)) == text }, { true, 256, true })
  test.equal({ kumo.string.split('ä\0b', '\0'), kumo.serde.json_parse(kumo.serde.json_encode 'ä\0b') }, { { 'ä', 'b' }, 'ä\0b' })
end)
