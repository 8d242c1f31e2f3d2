local kumo = require 'kumo'
local test = require 'testing'
local serde = kumo.serde

local text = [==[
title = "x"
n = 3000000000
f = 1.5
list = [1, 2, 3]
[server]
name = 'a\b'
[server.deep]
"odd key" = true
[[rows]]
a = 1
[[rows]]
a = 2
[empty]
]==]

test('toml', function(directory)
  local v = serde.toml_parse(text)
  test.equal({ v.title, v.n, v.f, #v.list, v.server.name, v.server.deep['odd key'], v.rows[2].a }, {
    'x',
    3000000000,
    1.5,
    3,
    'a\\b',
    true,
    2,
  })
  for _, encode in ipairs { serde.toml_encode, serde.toml_encode_pretty, serde.toml_encode_pretty_compact } do
    test.equal(serde.toml_parse(encode(v)), v)
  end
  test.equal(serde.toml_encode { a = { b = { c = 1 } } }, '[a.b]\nc = 1\n')
  test.equal(serde.toml_encode_pretty { l = { 1, 2 } }, 'l = [\n    1,\n    2,\n]\n')
  test.equal(serde.toml_encode_pretty_compact { b = {}, a = 'x"y' }, 'a = "x\\"y"\nb = {}\n')
  test.equal(serde.toml_encode_pretty_compact { t = { z = 1, y = { x = true } }, a = 1 }, [[
a = 1

[t]
z = 1

[t.y]
x = true
]])
  test.raises('line 2', serde.toml_parse, 'a = 1\nb =')
  test.raises('table with names', serde.toml_encode, 5)
  local date = serde.toml_parse 'd = 1979-05-27T07:32:00Z'
  test.matches(serde.toml_encode(date), '^d = 1979%-05%-27T07:32:00')

  local file = kumo.fs.open(directory .. '/x.toml', 'w')
  file:write(text)
  file:close()
  test.equal(serde.toml_load(directory .. '/x.toml').f, 1.5)
  test.equal(kumo.toml_load(directory .. '/x.toml').f, 1.5)
  test.raises('there is no such file', serde.toml_load, directory .. '/none')
end)

test('yaml', function(directory)
  local v = serde.yaml_parse 'a: [1, 2.5, x]\nb:\n  c: true\n  d: ~\n'
  test.equal(v, { a = { 1, 2.5, 'x' }, b = { c = true } })
  test.equal(serde.yaml_parse(serde.yaml_encode(v)), v)
  test.raises('line 1', serde.yaml_parse, 'a: [')
  local bomb = 'a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c]'
  test.raises('alias', serde.yaml_parse, bomb)
  local file = kumo.fs.open(directory .. '/x.yaml', 'w')
  file:write 'a: 1'
  file:close()
  test.equal(serde.yaml_load(directory .. '/x.yaml'), { a = 1 })
end)

test('json with comments, and hostile keys', function()
  test.equal(serde.json_parse '{"a": 1, /* x */ "b": [1, null, 3] # y\n}', { a = 1, b = { 1, nil, 3 } })
  local v = serde.json_parse '{"__proto__": {"x": 1}, "constructor": 2}'
  test.equal({ v['__proto__'].x, v.constructor, v.toString }, { 1, 2 })
  test.equal(serde.toml_parse('"__proto__" = 5')['__proto__'], 5)
  test.equal(serde.yaml_parse('__proto__: 5')['__proto__'], 5)
end)
