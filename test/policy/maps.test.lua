local kumo = require 'kumo'
local test = require 'testing'

test('domain_map', function()
  local map = kumo.domain_map.new { ['*.example.com'] = 'any', ['a.example.com'] = 'a', ['*'] = 'rest' }
  test.equal(map['a.example.com'], 'a')
  test.equal(map['b.example.com'], 'any')
  test.equal(map['x.y.example.com'], 'any')
  test.equal(map['example.com'], nil)
  test.equal(map['org'], 'rest')
  -- Names under an exact one have nothing: the exact label goes first.
  test.equal(map['x.a.example.com'], nil)
  test.equal(map['A.example.com'], 'any')
  map['b.example.com'] = { 1, 2, x = 3 }
  local value = map['b.example.com']
  test.equal(type(value), 'userdata')
  test.equal({ value[1], value[2], value.x, #value }, { 1, 2, 3, 3 })
  map['a.example.com'] = nil
  test.equal(map['a.example.com'], nil)
  local names = {}
  for name in pairs(map) do
    names[#names + 1] = name
  end
  table.sort(names)
  test.equal(names, { '*', '*.example.com', 'b.example.com' })
  test.equal(kumo.domain_map.new()['x'], nil)
end)

test('cidr map', function()
  local map = kumo.cidr.make_map { ['10.0.0.0/8'] = 'ten', ['::1'] = 'me', ['10.1.0.0/16'] = 'narrow' }
  test.equal(map['10.2.3.4'], 'ten')
  test.equal(map['10.1.3.4'], 'narrow')
  test.equal(map['10.2.3.4:25'], 'ten')
  test.equal(map['[::1]:25'], 'me')
  test.equal(map['192.0.2.1'], nil)
  map['0.0.0.0/0'] = 'all'
  test.equal(map['192.0.2.1'], 'all')
  test.equal(map['10.1.0.0/16'], 'narrow')
  map['10.1.0.0/16'] = nil
  test.equal(map['10.1.3.4'], 'ten')
  test.raises("'nonsense' is no IP address", function()
    return map['nonsense']
  end)
  test.raises('host bits', function()
    map['10.0.0.1/8'] = 1
  end)
  test.raises('cannot be kept', function()
    map['10.0.0.1'] = print
  end)
end)

test('regex_set_map', function()
  local map = kumo.regex_set_map.new { ['^mx\\d+\\.'] = 'numbered', ['google'] = { site = 'g' } }
  test.equal(map['mx1.example.com'], 'numbered')
  test.equal(map['aspmx.google.com'].site, 'g')
  test.equal(map['example.com'], nil)
  test.raises('that can be set', function()
    map['x'] = 1
  end)
  test.raises('look-around', kumo.regex_set_map.new, { ['(?=a)'] = 1 })
  test.equal(kumo.regex_set_map.new({})['x'], nil)
end)

test('maps may be memoized', function()
  local get = kumo.memoize(function()
    return kumo.domain_map.new { ['example.com'] = { 1 } }
  end, { name = 'maps', ttl = 60, capacity = 4 })
  test.equal(get()['example.com'][1], 1)
  test.equal(get()['example.com'][1], 1)
end)
