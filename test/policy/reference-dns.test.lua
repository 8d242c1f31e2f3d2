-- kumo.dns against zones of a test resolver.
local kumo = require 'kumo'
local test = require 'testing'
local dns = kumo.dns

local zone = [[
$ORIGIN example.com.
@ 600 IN MX 10 mx1
@ 600 IN MX 10 mx2
@ 600 IN MX 20 backup
@ 600 IN TXT "v=spf1 " "-all"
@ 600 IN TXT "second"
mx1 600 IN A 192.0.2.1
mx2 600 IN A 192.0.2.2
mx2 600 IN AAAA 2001:db8::2
backup 600 IN A 192.0.2.3
bare 600 IN A 192.0.2.9
null 600 IN MX 0 .
]]
local reverse = [[
$ORIGIN 2.0.192.in-addr.arpa.
1 600 IN PTR mx1.example.com.
]]
local rbl = [[
$ORIGIN rbl.example.
2.0.0.127 600 IN A 127.0.0.4
2.0.0.127 600 IN TXT "listed"
]]
kumo.on('pre_init', function()
  dns.define_resolver('reference', { Test = { zones = { zone, reverse, rbl } } })
  dns.define_resolver('reference list', { Test = { zone } })
  dns.define_resolver('reference secure', { Test = { zones = { { zone = zone, secure = true } } } })
  dns.define_resolver('reference both', { Aggregate = { { Test = { zones = { reverse } } }, { Test = { zones = { zone } } } } })
  dns.define_resolver('reference plain', { Hickory = { name_servers = { '127.0.0.1:5353', { socket_addr = '127.0.0.1:53', protocol = 'tcp',
    trust_negative_responses = false } }, domain = 'x.example', search = { 'y.example' }, options = {
    attempts = 3, timeout = '2s', ndots = 2, cache_size = 10, edns0 = false, num_concurrent_reqs = 1, recursion_desired = true,
    preserve_intermediates = false, case_randomization = true, try_tcp_on_error = true, use_hosts_file = 'Never',
    server_ordering_strategy = 'UserProvidedOrder', ip_strategy = 'Ipv4Only', validate = false, positive_min_ttl = '1s', negative_max_ttl = 60 } } })
end)

test('lookup_mx', function()
  local mx = dns.lookup_mx('example.com', 'reference')
  test.equal({ mx.domain_name, mx.is_domain_literal, mx.is_secure, mx.is_mx, mx.mta_sts }, { 'example.com.', false, false, true, 'None' })
  table.sort(mx.by_pref[10])
  test.equal({ mx.by_pref[10], mx.by_pref[20] }, { { 'mx1.example.com.', 'mx2.example.com.' }, { 'backup.example.com.' } })
  test.equal({ #mx.hosts, mx.hosts[3], type(mx.site_name) }, { 3, 'backup.example.com.', 'string' })
  test.equal(dns.lookup_mx('example.com', 'reference secure').is_secure, true)
  test.equal(dns.lookup_mx('example.com', 'reference list').is_mx, true)
  test.equal(dns.lookup_mx('example.com', 'reference both').is_mx, true)
  local bare = dns.lookup_mx('bare.example.com', 'reference')
  test.equal({ bare.is_mx, bare.hosts }, { false, { 'bare.example.com.' } })
  local literal = dns.lookup_mx('[192.0.2.1]', 'reference')
  test.equal(literal.is_domain_literal, true)
  test.raises('', dns.lookup_mx, 'none.example.com', 'reference')
  test.raises('no such', dns.lookup_mx, 'example.com', 'no such')
end)

test('other look-ups', function()
  local texts = dns.lookup_txt('example.com', 'reference')
  table.sort(texts)
  test.equal(texts, { 'second', 'v=spf1 -all' })
  test.matches(dns.lookup_ptr('192.0.2.1', 'reference')[1], '^mx1%.example%.com%.?$')
  test.raises('', dns.lookup_ptr, '192.0.2.1:25', 'reference')
  local addresses = dns.lookup_addr('mx2.example.com', 'reference')
  table.sort(addresses)
  test.equal(addresses, { '192.0.2.2', '2001:db8::2' })
  test.equal(dns.lookup_addr('mx2.example.com', 'reference', 'Ipv4Only'), { '192.0.2.2' })
end)

test('block lists', function()
  test.equal({ dns.rbl_lookup('127.0.0.2', 'rbl.example', 'reference') }, { '127.0.0.4', 'listed' })
  test.equal({ dns.rbl_lookup('127.0.0.2:2525', 'rbl.example', 'reference') }, { '127.0.0.4', 'listed' })
  test.equal({ dns.rbl_lookup('127.0.0.3', 'rbl.example', 'reference') }, {})
  test.equal(select('#', dns.rbl_lookup('127.0.0.3', 'rbl.example', 'reference')), 2)
end)

test('names of addresses', function()
  test.matches(dns.ptr_host '192.0.2.1', '1%.2%.0%.192')
  test.matches(dns.reverse_ip '192.0.2.1', '1%.2%.0%.192')
  test.equal(dns.reverse_ip '192.0.2.1', '1.2.0.192')
  test.raises('', dns.reverse_ip, 'x')
end)

test('options', function()
  test.raises('did you mean', dns.define_resolver, 'x', { Hickory = { options = { atempts = 1 } } })
  test.raises('', dns.define_resolver, 'x', { Nonsense = {} })
  dns.configure_resolver { name_servers = { '127.0.0.1:53' } }
  dns.set_mx_timeout '5s'
  dns.set_mx_negative_cache_ttl '5 min'
  dns.set_mx_concurrency_limit(128)
  dns.set_mta_sts_enabled(true)
  test.raises('', dns.set_mx_timeout, 'soon')
end)
