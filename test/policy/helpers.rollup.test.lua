local kumo = require 'kumo'
local test = require 'testing'
local rollup = require 'policy-extras.rollup'

kumo.on('pre_init', function()
  kumo.dns.configure_resolver {
    Test = {
      zones = {
        '$ORIGIN one.example.\n@ 30 MX 10 a.mx.big.net.\n@ 30 MX 20 b.MX.big.net.\n',
        '$ORIGIN two.example.\n@ 30 MX 10 a.mx.big.net.\n@ 30 MX 20 backup.example.\n',
        '$ORIGIN big.net.\na.mx 30 A 192.0.2.9\na.mx 30 A 192.0.2.10\nb.mx 30 A 192.0.2.3\n',
      },
    },
  }
end)

local function routed(reroute, recipient, mapping)
  local msg = kumo.make_message('a@from.example', recipient, 'Subject: x\r\n\r\nx\r\n')
  msg:set_meta('routing_domain', 'before')
  rollup[reroute](msg, mapping)
  return msg:get_meta 'routing_domain'
end

test('by the suffix of all MX hosts, with or without the dot at its end', function()
  local by_suffix = 'reroute_based_on_mx_host_suffix'
  test.equal(routed(by_suffix, 'x@one.example', { ['.mx.big.net.'] = 'big.net' }), 'big.net')
  test.equal(routed(by_suffix, 'x@one.example', { ['.MX.big.net'] = 'big.net' }), 'big.net')
  test.equal(routed(by_suffix, 'x@one.example', { ['.net.'] = 'net', ['.big.net.'] = 'big' }), 'big')
  test.equal(routed(by_suffix, 'x@one.example', { ['.big.net.'] = 'one.example' }), 'before')
  test.equal(routed(by_suffix, 'x@two.example', { ['.mx.big.net.'] = 'big.net' }), 'before')
  test.equal(routed(by_suffix, 'x@absent.example', { ['.'] = 'any' }), 'before')
end)

test('by the hosts of the best preference', function()
  test.equal(routed('reroute_using_ip_rollup', 'x@two.example', { ['.mx.big.net.'] = 'big.ip_rollup' }), 'big.ip_rollup')
  test.equal(routed('reroute_using_ip_rollup', 'x@two.example', { ['.elsewhere.'] = 'x.ip_rollup' }), nil)
end)

test('the queue of a rollup sends to addresses, in order', function()
  local params = {}
  rollup.apply_ip_rollup_to_queue_config('one.example', 'big.ip_rollup', params)
  test.equal(params.protocol.smtp.mx_list, {
    { name = 'a.mx.big.net', addr = '192.0.2.10' },
    { name = 'a.mx.big.net', addr = '192.0.2.9' },
  })
  kumo.make_queue_config(params)
  local other = {}
  rollup.apply_ip_rollup_to_queue_config('one.example', 'big.net', other)
  rollup.apply_ip_rollup_to_queue_config('one.example', nil, other)
  test.equal(other, {})
end)
