local kumo = require 'kumo'
local test = require 'testing'
local dns = kumo.dns

-- policy.test.ts defines these: pre_init runs before the tests.
kumo.on('pre_init', function()
  dns.configure_resolver {
    Test = {
      zones = {
        [[
$ORIGIN example.com.
@  30 MX 20 backup
@  30 MX 10 mx
@  30 TXT "one"
mx 30 A 192.0.2.1
mx 30 AAAA 2001:db8::1
v4 30 A 192.0.2.4
]],
        [[
$ORIGIN list.example.
1.2.0.192 A 127.0.0.2
1.2.0.192 TXT "listed " "here"
1.2.0.192 TXT "twice"
4.2.0.192 A 127.0.0.4
]],
        '1.2.0.192.in-addr.arpa. 30 PTR mx.example.com.\n',
      },
      servfail = { 'broken.example', '9.2.0.192.list.example' },
    },
  }
  dns.define_resolver('other', { Test = { '$ORIGIN example.com.\n@ 30 TXT "other"\n' } })
  dns.define_resolver('secure', {
    Test = { zones = { { zone = 'example.com. 30 MX 5 safe.example.com.\n', secure = true } } },
  })
  dns.define_resolver('both', {
    Aggregate = {
      { Test = { '$ORIGIN example.net.\n@ 30 TXT "net"\n' } },
      { Test = { zones = { '$ORIGIN example.com.\n@ 30 TXT "com"\n' }, servfail = { 'bad.example' } } },
    },
  })
  dns.define_resolver('system', 'HickorySystemConfig')
  dns.define_resolver('servers', { Hickory = { name_servers = { '127.0.0.1:5353' }, options = { attempts = 1 } } })
  dns.define_resolver('unbound', { Unbound = { options = { use_hosts_file = 'Never' } } })
  dns.set_mx_timeout '10s'
  dns.set_mx_negative_cache_ttl '1 minute'
  dns.set_mx_concurrency_limit(1)
end)

test('look-ups in the resolver of everything', function()
  local mx = dns.lookup_mx 'Example.COM'
  test.equal(mx.hosts, { 'mx.example.com.', 'backup.example.com.' })
  test.equal(mx.by_pref[20], { 'backup.example.com.' })
  test.equal({ mx.is_mx, mx.is_secure, mx.is_domain_literal, mx.mta_sts }, { true, false, false, 'None' })
  test.equal(dns.lookup_txt 'example.com', { 'one' })
  test.equal(dns.lookup_ptr '192.0.2.1', { 'mx.example.com' })
  test.raises('SERVFAIL', dns.lookup_mx, 'broken.example')
  test.raises('no such domain', dns.lookup_txt, 'absent.example')
end)

test('look-ups in a resolver by its name', function()
  test.equal(dns.lookup_txt('example.com', 'other'), { 'other' })
  local mx = dns.lookup_mx('example.com', 'secure')
  test.equal({ mx.hosts[1], mx.is_secure }, { 'safe.example.com.', true })
  test.equal(dns.lookup_txt('example.com', 'both'), { 'com' })
  test.equal(dns.lookup_txt('example.net', 'both'), { 'net' })
  test.raises('SERVFAIL', dns.lookup_txt, 'bad.example', 'both')
  test.raises("no resolver is defined as 'third'", dns.lookup_txt, 'example.com', 'third')
end)

test('addresses by strategy', function()
  local function look(strategy, name)
    return table.concat(dns.lookup_addr(name or 'mx.example.com', nil, strategy), ' ')
  end
  test.equal(look(nil), '192.0.2.1 2001:db8::1')
  test.equal(look 'Ipv6AndIpv4', '2001:db8::1 192.0.2.1')
  test.equal(look 'Ipv4Only', '192.0.2.1')
  test.equal(look 'Ipv6Only', '2001:db8::1')
  test.equal(look 'Ipv6ThenIpv4', '2001:db8::1')
  test.equal(look('Ipv6ThenIpv4', 'v4.example.com'), '192.0.2.4')
  test.raises('expected one of Ipv4Only', look, 'Ipv5')
  test.raises('no such domain', dns.lookup_addr, 'absent.example')
end)

test('block lists', function()
  local address, text = dns.rbl_lookup('192.0.2.1', 'list.example')
  test.equal({ address, text }, { '127.0.0.2', 'listed heretwice' })
  test.equal({ dns.rbl_lookup('192.0.2.4:25', 'list.example') }, { '127.0.0.4' })
  test.equal(select('#', dns.rbl_lookup('192.0.2.77', 'list.example')), 2)
  test.equal({ dns.rbl_lookup('192.0.2.77', 'list.example') }, {})
  test.raises('SERVFAIL', dns.rbl_lookup, '192.0.2.9', 'list.example')
  test.raises("'x' is not an IP address", dns.rbl_lookup, 'x', 'list.example')
end)

test('names of addresses', function()
  test.equal(dns.ptr_host '127.0.0.1', '1.0.0.127.in-addr.arpa')
  test.equal(dns.reverse_ip '10.1.2.3', '3.2.1.10')
  test.equal(dns.reverse_ip '10.1.2.3:25', '3.2.1.10')
  test.matches(dns.ptr_host '2001:db8::1', '^1%.0%.0.*8%.b%.d%.0%.1%.0%.0%.2%.ip6%.arpa$')
  test.matches(dns.reverse_ip '[2001:db8::1]:25', '^1%.0%.0.*8%.b%.d%.0%.1%.0%.0%.2$')
end)

test('resolv.conf as a table', function(directory)
  local path = directory .. '/resolv.conf'
  local file = assert(io.open(path, 'w'))
  file:write 'nameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch a.example b.example\noptions timeout:3 attempts:4\n'
  file:close()
  local config = dns.load_resolv_conf(path)
  test.equal(config.name_servers[1].socket_addr, '192.0.2.53:53')
  test.equal(config.name_servers[2].socket_addr, '[2001:db8::53]:53')
  test.equal(config.search, { 'a.example', 'b.example' })
  test.equal({ config.options.attempts, config.options.timeout }, { 4, '3000ms' })
  config.options.timeout = '1s'
  dns.configure_resolver(config)
end)

test('what a resolver cannot be is told', function()
  test.raises('did you mean `Test`?', dns.define_resolver, 'x', { Tset = {} })
  test.raises('did you mean `zones`?', dns.define_resolver, 'x', { Test = { zone = {} } })
  test.raises('unknown field `name_server`, did you mean `name_servers`?', dns.configure_resolver, { name_server = {} })
  test.raises('HickorySystemConfig', dns.define_resolver, 'x', 'Hickory')
  test.raises('Aggregate', dns.define_resolver, 'x', { Aggregate = 'both' })
  test.raises("line 1: cannot read 'a A nowhere'", dns.define_resolver, 'x', { Test = { 'a A nowhere' } })
end)
