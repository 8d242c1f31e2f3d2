local kumo = require 'kumo'
local test = require 'testing'
local data_files = require 'policy-extras.data_files'
local sources = require 'policy-extras.sources'

sources:setup {
  {
    source = { ['ip-1'] = { source_address = '192.0.2.1', ehlo_domain = 'one.example' }, ['ip-2'] = {} },
    pool = { both = { ['ip-2'] = {}, ['ip-1'] = { weight = 3 } }, empty = {} },
  },
  { sources = { ['ip-1'] = { ehlo_domain = 'uno.example' } }, pools = { both = { ['ip-1'] = { weight = 5 } } } },
}

test('sources merge by option, pools by member', function()
  local source = kumo.invoke_get_egress_source 'ip-1'
  test.equal({ source.name, source.source_address, source.ehlo_domain }, { 'ip-1', '192.0.2.1', 'uno.example' })
  test.equal(kumo.invoke_get_egress_pool('both').entries, {
    { name = 'ip-2', weight = 1 },
    { name = 'ip-1', weight = 3 },
    { name = 'ip-1', weight = 5 },
  })
  test.equal(kumo.serde.json_encode(kumo.invoke_get_egress_pool('empty').entries), '[]')
  test.equal(sources.pool_names(), { both = true, empty = true })
  test.equal(sources.source_names(), { ['ip-1'] = true, ['ip-2'] = true })
end)

test('what is not defined names the files and the nearest name', function()
  test.raises("source 'ip-3' is not defined in inline table 1, inline table 2, did you mean", kumo.invoke_get_egress_source, 'ip-3')
  test.raises("pool 'bothh' is not defined in inline table 1, inline table 2, did you mean 'both'?", kumo.invoke_get_egress_pool, 'bothh')
end)

local function findings_of(text, dir)
  local file <close> = assert(io.open(dir .. '/sources.toml', 'w'))
  file:write(text)
  file:flush()
  local findings = data_files.findings()
  sources.parse(data_files.read { dir .. '/sources.toml' }, findings)
  local ok, message = pcall(findings.raise, findings)
  return ok and '' or (message:gsub('/%S*/sources', 'sources'))
end

test('mistakes name file, line, section and what was meant', function(dir)
  local cases = {
    ['[sorce.a]'] = "sources.toml:1:2: unknown key 'sorce', did you mean 'source'?",
    ['[source.a]\nsource_adress = "192.0.2.1"'] = 'sources.toml:2:1: [source.a] unknown field `source_adress`, did you mean `source_address`?',
    ['[source.a]\nsource_address = "nowhere"'] = "sources.toml:2:1: [source.a] source_address: 'nowhere' is no IP address",
    ['[source.a]\nname = "b"'] = "sources.toml:2:1: [source.a] 'name' is the heading of the section, not an option",
    ['[pool.p.a]\nwieght = 1'] = 'sources.toml:2:1: [pool.p.a] unknown field `wieght`, did you mean `weight`?',
    ['[pool.p]\na = 5'] = "sources.toml:2:1: [pool.p] 'a': a member of a pool is a table, which may be empty",
    ['source = 5'] = "sources.toml:1:1: 'source': expected a table, got a number",
    ['[source]\na = 1'] = "sources.toml:2:1: [source] 'a': expected a table, got a number",
  }
  for text, expected in pairs(cases) do
    test.equal(findings_of(text, dir), expected)
  end
end)

test('a second setup is refused', function()
  test.raises('sources module has already been configured', sources.setup, sources, {})
end)
