local kumo = require 'kumo'
local test = require 'testing'
local utils = require 'policy-extras.policy_utils'

test('merge_into copies one level, recursive_merge_into all', function()
  local dest = { a = 1, b = { c = 1, d = 2 } }
  test.equal(utils.merge_into(nil, { a = 1 }), { a = 1 })
  test.equal(utils.merge_into({ b = { e = 3 } }, { a = 1, b = { c = 1 } }), { a = 1, b = { e = 3 } })
  utils.recursive_merge_into({ a = 2, b = { d = 3, e = 4 }, f = { 'x' } }, dest)
  test.equal(dest, { a = 2, b = { c = 1, d = 3, e = 4 }, f = { 'x' } })
  test.equal(utils.recursive_merge_into({ l = { 'z' } }, { l = { 'a', 'b' } }), { l = { 'z', 'b' } })
  test.equal(utils.recursive_merge_into(nil, { a = 1 }), { a = 1 })
  local shared = {}
  test.equal(rawequal(utils.recursive_merge_into({ t = shared }, {}).t, shared), true)
end)

test('tables', function()
  test.equal({ utils.table_contains({ 'a', 'b' }, 'b'), utils.table_contains({ a = 'b' }, 'a') }, { true, false })
  test.equal(utils.table_contains({ 'a' }, nil), false)
  test.equal({ #utils.table_keys { a = 1, b = 2 }, utils.table_is_empty {}, utils.table_is_empty { false } }, { 2, true, false })
  test.equal(utils.sorted_keys { b = 1, a = 2, [10] = 3, [9] = 4 }, { 9, 10, 'a', 'b' })
  local deep = { { a = {} } }
  local copy = utils.deep_copy(deep)
  copy[1].a.b = 1
  test.equal(deep, { { a = {} } })
end)

test('texts', function()
  test.equal({ utils.starts_with('abc', 'ab'), utils.starts_with('abc', 'b'), utils.starts_with('a', '') }, { true, false, true })
  test.equal({ utils.ends_with('a.toml', '.toml'), utils.ends_with('atoml', '.toml'), utils.ends_with('a', '') }, { true, false, false })
  test.equal(utils.ends_with('', ''), true)
  test.equal({ utils.split_ip_port '192.0.2.1:25' }, { '192.0.2.1', '25' })
  test.equal({ utils.split_ip_port '[2001:db8::1]:587' }, { '2001:db8::1', '587' })
  test.equal({ utils.split_ip_port '192.0.2.1' }, {})
end)

test('dumps sorts keys, marks cycles and gives nil for nil', function()
  test.equal(utils.dumps(nil), nil)
  test.equal(utils.dumps { b = 1, a = { 'x' }, ['c d'] = {} }, '{\n  a = {\n    [1] = "x",\n  },\n  b = 1,\n  ["c d"] = {},\n}')
  local cycle = {}
  cycle.self = cycle
  test.equal(utils.dumps(cycle), '{\n  self = <cycle>,\n}')
  test.matches(utils.dumps(kumo.time.now()), 'UTC')
end)

test('comparing', function()
  test.equal({ utils.equals({ a = { 1 } }, { a = { 1 } }), utils.equals({ 1 }, { 1, 2 }), utils.equals({ 1, 2 }, { 1 }) }, { true, false, false })
  utils.assert_eq({ 1 }, { 1 })
  utils.assert_ne(1, 2)
  utils.assert_matches('550 5.1.1 no', [[^5\d\d ]])
  test.raises('totals: expected 2, got 1', utils.assert_eq, 1, 2, 'totals')
  test.raises('expected anything but 1', utils.assert_ne, 1, 1)
  test.raises('to match', utils.assert_matches, 'a', 'b')
end)

local function write(path, text)
  local file <close> = assert(io.open(path, 'w'))
  file:write(text)
end

test('load_json_or_toml_file goes by the end of the name', function(dir)
  write(dir .. '/a.toml', 'a = 1\n')
  write(dir .. '/a.data', '{"a": 2}')
  write(dir .. '/bad.toml', 'a = 1\nb = \n')
  test.equal(utils.load_json_or_toml_file(dir .. '/a.toml'), { a = 1 })
  test.equal(utils.load_json_or_toml_file(dir .. '/a.data'), { a = 2 })
  test.equal(utils.load_json_or_toml_file { a = 3 }, { a = 3 })
  write(dir .. '/bad.json', '{"a": 1,\n "b": }')
  test.raises('bad.toml:2:', utils.load_json_or_toml_file, dir .. '/bad.toml')
  test.raises('2 | b = \n', utils.load_json_or_toml_file, dir .. '/bad.toml')
  test.raises('bad.json:2:7: ', utils.load_json_or_toml_file, dir .. '/bad.json')
  test.raises('absent.toml', utils.load_json_or_toml_file, dir .. '/absent.toml')
  test.raises('expected the name of a file or a table, got a number', utils.load_json_or_toml_file, 5)
end)

test('kumo.policy.locate finds values in TOML and JSON', function(dir)
  write(dir .. '/q.toml', 'x = 1\n[queue."example.org"]\n  max_age = "1d"\n  t = { egress_pool = "p" }\n[[list]]\na = [1,\n2]\n')
  write(dir .. '/q.json', '{ // a comment\n  "queue": {\n    "a.example": { "max_age": [ 1,\n 2 ] } } }')
  local function at(file, ...)
    return { kumo.policy.locate(dir .. file, { ... }) }
  end
  test.equal(at('/q.toml', 'queue', 'example.org', 'max_age'), { 3, 3 })
  test.equal(at('/q.toml', 'queue', 'example.org', 't', 'egress_pool'), { 4, 9 })
  test.equal(at('/q.toml', 'queue', 'example.org', 'absent'), { 2, 8 })
  test.equal(at('/q.toml', 'list', 1, 'a', 2), { 7, 1 })
  test.equal(at('/q.toml', 'absent'), {})
  test.equal(at('/q.json', 'queue', 'a.example', 'max_age', 2), { 4, 2 })
  test.equal(at('/q.json', 'queue', 'a.example'), { 3, 5 })
end)

test('kumo.policy.check_option says what is wrong, and what was meant', function()
  test.equal(kumo.policy.check_option('make_queue_config', 'max_age', '1 day'), nil)
  local unknown = kumo.policy.check_option('make_queue_config', 'max_ages', '1 day')
  test.equal({ unknown.reason, unknown.nearest }, { 'unknown', 'max_age' })
  local invalid = kumo.policy.check_option('make_queue_config', 'max_age', 'soon')
  test.equal({ invalid.reason, invalid.nearest }, { 'invalid' })
  test.matches(invalid.message, "max_age: 'soon'")
  test.raises("did you mean 'make_queue_config'", kumo.policy.check_option, 'make_queue_conf', 'a', 1)
  test.equal(kumo.policy.nearest_name('weigth', { 'weight', 'ttl' }), 'weight')
  test.equal(kumo.policy.nearest_name('something', { 'weight', 'ttl' }), nil)
  test.equal(utils.table_contains(kumo.policy.option_names 'make_egress_source', 'source_address'), true)
end)
