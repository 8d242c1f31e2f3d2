local kumo = require 'kumo'
local test = require 'testing'
local dns = kumo.dns

local function policy(mode, ...)
  local lines = { 'version: STSv1', 'mode: ' .. mode, 'max_age: 86400' }
  for _, host in ipairs { ... } do
    lines[#lines + 1] = 'mx: ' .. host
  end
  return table.concat(lines, '\n')
end

kumo.on('pre_init', function()
  dns.configure_test_resolver {
    [[
$ORIGIN example.com.
@  30 MX 10 mx
@  30 MX 20 old
testing 30 MX 10 mx
plain 30 MX 10 mx
lost 30 MX 10 mx
bare 30 A 192.0.2.1
]],
    { zone = 'signed.example. 30 MX 5 mx.signed.example.\n', secure = true },
  }
  dns.define_resolver('other', { Test = { 'example.com. 30 MX 10 other.example.com.\n' } })
  dns.set_mta_sts_enabled(true)
  dns.configure_test_mta_sts {
    ['Example.com'] = policy('enforce', 'mx.example.com'),
    ['testing.example.com'] = policy('testing', 'elsewhere.example'),
    ['plain.example.com'] = policy 'none',
    ['lost.example.com'] = policy('enforce', '*.elsewhere.example'),
    ['bare.example.com'] = policy('enforce', 'elsewhere.example'),
  }
end)

test('a policy in force leaves out the hosts that it does not name', function()
  local mx = dns.lookup_mx 'example.com'
  test.equal({ mx.mta_sts, mx.hosts, mx.site_name }, { 'Enforce', { 'mx.example.com.' }, 'mx.example.com' })
end)

test('testing and none are told', function()
  test.equal(dns.lookup_mx('testing.example.com').mta_sts, 'Testing')
  test.equal(dns.lookup_mx('plain.example.com').mta_sts, 'None')
  test.equal(dns.lookup_mx('signed.example').mta_sts, 'None')
  test.equal(dns.lookup_mx('signed.example').is_secure, true)
end)

test('a domain whose policy names none of its hosts cannot be reached', function()
  test.raises('the MTA-STS policy of lost.example.com allows none of its MX', dns.lookup_mx, 'lost.example.com')
end)

test('domains without MX and resolvers that are named have no policies', function()
  test.equal(dns.lookup_mx('bare.example.com').mta_sts, 'None')
  test.equal(dns.lookup_mx('example.com', 'other').mta_sts, 'None')
end)

test('what is no policy or zone is told', function()
  test.raises('mode is none of enforce', dns.configure_test_mta_sts, { ['a.example'] = policy 'maybe' })
  test.raises("line 1: cannot read 'a A nowhere'", dns.configure_test_resolver, { 'a A nowhere' })
end)
