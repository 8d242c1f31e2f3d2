local kumo = require 'kumo'
local test = require 'testing'
local data_files = require 'policy-extras.data_files'
local listener_domains = require 'policy-extras.listener_domains'

local ANY = '192.0.2.1:25'

local handler = listener_domains:setup {
  {
    ['Example.org'] = { relay_to = true, log_oob = 'LogThenDrop' },
    ['*.example.org'] = { relay_from = { '198.51.100.0/24' }, relay_from_authz = { 'alice' } },
    ['*'] = { log_arf = true },
    listener = { [ANY] = { ['example.org'] = { relay_to = false } } },
  },
  { ['example.org'] = { log_oob = 'LogThenRelay' } },
}

-- Just enough of connection metadata.
local function connection(authz_id)
  return {
    get_meta = function(_, key)
      return ({ authz_id = authz_id, received_from = '[2001:db8::7]:4321' })[key]
    end,
  }
end

test('the block of the listener counts, else that of the domain, else *', function()
  local found = handler('EXAMPLE.org', '127.0.0.1:25', connection())
  test.equal({ found.relay_to, found.log_oob, found.log_arf }, { true, 'LogThenRelay', 'Ignore' })
  local own = handler('example.org', ANY, connection())
  test.equal({ own.relay_to, own.log_oob }, { false, 'Ignore' })
  test.equal(handler('b.a.example.org', ANY, connection()).relay_from[1], '198.51.100.0/24')
  test.equal(handler('elsewhere.example', ANY, connection()).log_arf, 'LogThenRelay')
end)

test('relay_from_authz lets the peer of an authenticated session relay', function()
  local function relay_from(authz_id)
    return handler('a.example.org', ANY, connection(authz_id)).relay_from[1]
  end
  test.equal(relay_from 'alice', '2001:db8::7')
  test.equal(relay_from 'bob', '198.51.100.0/24')
end)

test('without a block that fits there is no answer', function()
  local data = listener_domains.parse(data_files.read { { ['a.example'] = {} } }, data_files.findings())
  test.equal(listener_domains.find(data, 'b.example', ANY), nil)
end)

test('an inline table keeps its listeners, however often it is read', function()
  local inline = { listener = { [ANY] = { ['a.example'] = { relay_to = true } } } }
  for _ = 1, 2 do
    local data = listener_domains.parse(data_files.read { inline }, data_files.findings())
    test.equal(listener_domains.find(data, 'a.example', ANY).relay_to, true)
  end
end)

test('mistakes name file, line, section and what was meant', function(dir)
  local cases = {
    ['["a.example"]\nrelay_too = true'] = 'ld.toml:2:1: ["a.example"] unknown field `relay_too`, did you mean `relay_to`?',
    ['["a.example"]\nrelay_from_auth = []'] = "ld.toml:2:1: [\"a.example\"] unknown option 'relay_from_auth', did you mean 'relay_from_authz'?",
    ['["a.example"]\nrelay_to = 1'] = 'ld.toml:2:1: ["a.example"] relay_to: expected true or false, got number',
    ['["a.example"]\nrelay_from = ["192.0.2.1/24"]'] = 'ld.toml:2:1: ["a.example"] relay_from[1]',
    ['["a.example"]\nrelay_from_authz = "alice"'] = "ld.toml:2:1: [\"a.example\"] 'relay_from_authz': expected a list of strings",
    ['"a.example" = 1'] = "ld.toml:1:1: 'a.example': expected a table, got a number",
    ['listener = 1'] = "ld.toml:1:1: 'listener': expected a table",
    ['[listener."0.0.0.0:25"]\n"a.example" = 1'] = "ld.toml:2:1: [listener.\"0.0.0.0:25\"] 'a.example': expected a table, got a number",
  }
  for text, expected in pairs(cases) do
    local file <close> = assert(io.open(dir .. '/ld.toml', 'w'))
    file:write(text)
    file:flush()
    local findings = data_files.findings()
    listener_domains.parse(data_files.read { dir .. '/ld.toml' }, findings)
    test.raises(expected, findings.raise, findings)
  end
end)

test('a second setup is refused', function()
  test.raises('listener_domains module has already been configured', listener_domains.setup, listener_domains, {})
end)
