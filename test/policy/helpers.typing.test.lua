local kumo = require 'kumo'
local test = require 'testing'
local typing = require 'policy-extras.typing'

local Color = typing.enum('Color', 'red', 'green')
local Inner = typing.record('Inner', { n = typing.number })
local Thing = typing.record('Thing', {
  name = typing.string,
  weight = typing.default(typing.number, 1),
  color = typing.option(Color),
  names = typing.default(typing.list(typing.string), {}),
  limits = typing.option(typing.map(typing.string, typing.number)),
  inner = typing.option(Inner),
  either = typing.option(typing.variant(typing.boolean, typing.number)),
  fn = typing.option(typing.Function),
  what = typing.option(typing.any),
})

test('a record has its fields, defaults among them', function()
  local thing = Thing { name = 'a' }
  test.equal({ thing.name, thing.weight, #thing.names, thing.color }, { 'a', 1, 0 })
  thing.names[1] = 'x'
  test.equal(#(Thing { name = 'b' }).names, 0)
  thing.color = 'red'
  thing.inner = { n = 5 }
  thing.either = true
  thing.fn = print
  thing.what = {}
  test.equal({ thing.color, thing.inner.n, thing.either }, { 'red', 5, true })
  thing.color = nil
  test.equal(thing.color, nil)
  thing.weight = nil
  test.equal(thing.weight, 1)
  test.equal(rawequal(Thing(thing), thing), true)
end)

test('mistakes are told when they are made', function()
  local thing = Thing { name = 'a' }
  local function set(key, value)
    return function()
      thing[key] = value
    end
  end
  test.raises("Thing: unknown field 'wieght', did you mean 'weight'?", set('wieght', 1))
  test.raises("Thing: invalid value for field 'weight': expected number, got string", set('weight', '1'))
  test.raises("Thing: missing value for field 'name' of type 'string'", set('name', nil))
  test.raises("Thing: unknown field 'nmae', did you mean 'name'?", function()
    return thing.nmae
  end)
  test.raises("Thing: missing value for field 'name' of type 'string'", Thing, {})
  test.raises("Thing: unknown field 'x'", Thing, { name = 'a', x = 1 })
  test.raises("Thing: invalid value for field 'color': expected one of red, green, got 'blue'", set('color', 'blue'))
  test.raises("invalid value for field 'inner': unknown field 'm', did you mean 'n'?", set('inner', { m = 1 }))
  test.raises("invalid value for field 'either': expected boolean, got string; expected number, got string", set('either', 'x'))
  test.raises('Thing: expected a table, got string', Thing, 'x')
  test.raises("invalid value for field 'fn'", set('fn', 1))
  test.raises('expected a type, got string', typing.list, 'string')
  test.raises('the default is no number', typing.default, typing.number, 'x')
end)

test('an error names the line of the policy', function()
  local thing = Thing { name = 'a' }
  local _, message = pcall(function()
    thing.weight = 'heavy'
  end)
  test.matches(message, 'helpers%.typing%.test%.lua:%d+: Thing')
end)

test('lists and maps check what is put into them', function()
  local thing = Thing { name = 'a', names = { 'x' }, limits = { a = 1 } }
  thing.names[2] = 'y'
  thing.limits.b = 2
  thing.limits.a = nil
  test.equal({ #thing.names, thing.names[2], thing.limits.b, thing.limits.a }, { 2, 'y', 2 })
  test.raises('invalid value for entry 3: expected string, got number', function()
    thing.names[3] = 3
  end)
  test.raises("a list has no key 'k'", function()
    thing.names.k = 'v'
  end)
  test.raises("invalid value for key 'c': expected number, got string", function()
    thing.limits.c = 'v'
  end)
  test.raises("invalid key '1'", function()
    thing.limits[1] = 1
  end)
  local walked = {}
  for i, name in ipairs(thing.names) do
    walked[i] = name
  end
  for key, value in pairs(thing.limits) do
    walked[key] = value
  end
  test.equal(walked, { 'x', 'y', b = 2 })
end)

test('_dynamic answers for other keys', function()
  local Open = typing.record('Open', {
    known = typing.option(typing.number),
    _dynamic = function(key, value)
      if key == 'max_age' then
        return type(value) == 'string', type(value) ~= 'string' and 'wants text' or nil
      end
      return false
    end,
  })
  local open = Open { max_age = '1d' }
  test.equal({ open.max_age, open.other }, { '1d' })
  test.raises("Open: invalid value for field 'max_age': wants text", Open, { max_age = 1 })
  test.raises("Open: unknown field 'knwon', did you mean 'known'?", Open, { knwon = 1 })
end)

test('the functions of kumo take them as plain tables', function()
  local thing = Thing { name = 'a', names = { 'x' }, limits = { a = 1 } }
  test.equal(kumo.serde.json_parse(kumo.serde.json_encode(thing)), { name = 'a', weight = 1, names = { 'x' }, limits = { a = 1 } })
  local Pool = typing.record('Pool', { name = typing.string, entries = typing.list(typing.record('E', { name = typing.string })) })
  kumo.make_egress_pool(Pool { name = 'p', entries = { { name = 's' } } })
  local memo = kumo.memoize(function()
    return thing
  end, { name = 'typed', ttl = '1 minute', capacity = 1 })
  test.equal({ memo().name, memo().names[1] }, { 'a', 'x' })
  test.equal((Thing(memo())).limits.a, 1)
end)
