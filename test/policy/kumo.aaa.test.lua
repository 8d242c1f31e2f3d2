local kumo = require 'kumo'
local test = require 'testing'

local aaa = kumo.aaa
local trusted = { groups = { 'kumomta:http-listener-trusted-ip' }, peer_address = '127.0.0.1' }
local alice = { identities = { { identity = 'alice', context = 'HttpBasicAuth' } }, groups = { 'staff' } }

kumo.on('get_acl_definition', function(resource)
  if resource == 'http_listener/*/api/inject' then
    return aaa.make_access_control_list {
      { criteria = { Identity = { Individual = 'mallory' } }, privilege = 'POST', access = 'Deny' },
      {
        criteria = {
          AllOf = {
            { Identity = { Group = 'staff' } },
            { Not = { AnyOf = { { Identity = { Machine = '192.0.2.9' } }, { Identity = { Unauthenticated = {} } } } } },
          },
        },
        privilege = 'POST',
        access = 'Allow',
      },
    }
  end
end)

local function ask(url, who, privilege)
  local resource = aaa.make_http_url_resource('127.0.0.1:8000', url)
  return aaa.query_resource_access(resource, who, privilege)
end

test('policy decides, then the built-in rules', function()
  local verdict = ask('http://mta.example/api/inject/v1?x=1', alice, 'POST')
  test.equal(verdict.allow, true)
  test.equal(verdict.resource, 'http_listener/*/api/inject')
  test.equal(verdict.rule.access, 'Allow')
  test.equal(ask('/api/inject/v1', trusted, 'POST').allow, false)
  test.equal(ask('/api/inject/v1', { groups = { 'staff' }, peer_address = '192.0.2.9' }, 'POST').allow, false)
  test.equal(ask('/metrics', trusted, 'GET').allow, true)
  local nobody = ask('/nothing', trusted, 'GET')
  test.equal({ nobody.allow, nobody.rule, nobody.resource }, { false, nil, nil })
end)

test('a denial names its rule', function()
  local mallory = { identities = { { identity = 'mallory', context = 'GenericAuth' } }, groups = { 'staff' } }
  local verdict = ask('/api/inject/v1', mallory, 'POST')
  test.equal({ verdict.allow, verdict.rule.access, verdict.rule.criteria.Identity.Individual }, { false, 'Deny', 'mallory' })
end)

test('a resource may be a text', function()
  test.equal(aaa.query_resource_access('http_listener/127.0.0.1:8000/metrics', trusted, 'GET').allow, true)
  test.equal(aaa.query_resource_access('a/b', trusted, 'GET').allow, false)
  test.equal(tostring(aaa.make_http_url_resource('[::1]:80', 'https://x/a/b#c')), 'http_listener/[::1]:80/a/b')
end)

test('a file of rules', function(directory)
  local path = directory .. '/acl.toml'
  local file = io.open(path, 'w')
  file:write [=[
[[acl."http_listener/*/metrics"]]
allow = true
privileges = ["GET"]
identity.MachineSet = ["10.0.0.0/8", "2001:db8::/32"]

[[acl."http_listener/*/metrics"]]
allow = false
privileges = ["GET", "POST"]
criteria = { Not = { Identity = { Any = {} } } }
]=]
  file:close()
  local map = kumo.memoize(aaa.load_acl_map, { name = 'acl', ttl = '1 minute', capacity = 2 })(path)
  test.equal(map:get 'http_listener/*/metrics' ~= nil, true)
  test.equal(map:get 'http_listener', nil)
end)

test('what is no rule is told by its place', function(directory)
  local function rule(given)
    return function()
      aaa.make_access_control_list { given }
    end
  end
  local any = { Identity = { Any = {} } }
  test.raises('rules[1].access: expected Allow or Deny', rule { criteria = any, privilege = 'GET', access = 'allow' })
  test.raises("rules[1]: unknown field `privileges`", rule { criteria = any, privileges = { 'GET' }, access = 'Allow' })
  test.raises('rules[1].criteria: expected a table with one of', rule { privilege = 'GET', access = 'Allow' })
  test.raises(
    "Machine: 'nowhere' is no IP address",
    rule { criteria = { Identity = { Machine = 'nowhere' } }, privilege = 'GET', access = 'Allow' }
  )
  test.raises('acl.toml', aaa.load_acl_map, directory .. '/acl.toml')
  test.raises('auth_info.groups', ask, '/metrics', { groups = 'staff' }, 'GET')
  local deep = any
  for _ = 1, 40 do
    deep = { Not = deep }
  end
  test.raises('nest deeper', rule { criteria = deep, privilege = 'GET', access = 'Allow' })
end)

test('settings, and the audit log, of which there is one', function()
  aaa.set_acl_cache_ttl '1 second'
  aaa.set_check_cache_ttl(0.5)
  aaa.set_fall_back_to_acl_map(true)
  test.raises('unknown field `logdir`', aaa.configure_acct_log, { logdir = 'x' })
  aaa.configure_acct_log { log_dir = '/var/log/x', log_authz_allow = false }
  test.raises('there is an audit log already', aaa.configure_acct_log, { log_dir = '/var/log/x' })
end)
