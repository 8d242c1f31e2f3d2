local kumo = require 'kumo'
local test = require 'testing'

kumo.on('pre_init', function()
  kumo.dns.configure_test_resolver {
    [[
$ORIGIN example.
org MX 10 mx.org
com MX 10 mx.org
null MX 0 .
big MX 10 mx.bigmail
]],
  }
end)

local SITE = 'mx.org.example'

local function write(path, text)
  local file <close> = assert(io.open(path, 'w'))
  file:write(text)
  return path
end

local BASE = [=[
["default"]
connection_limit = 10
idle_timeout = "60s"

["org.example"]
max_message_rate = "20/s"
["org.example".additional_connection_limits]
shared = 3
["org.example".sources."ip-9"]
connection_limit = 2
[["org.example".automation]]
regex = ['try later', '^421']
action = ["Suspend", {SetConfig={name="max_message_rate", value="1/s"}}]
trigger = {Threshold="2/hour"}
duration = "1h"

[provider."bigmail"]
match = [{MXSuffix=".bigmail.example"}]
provider_connection_limit = 20
]=]

test('files are merged and give tables for make_egress_path', function(dir)
  local a = write(dir .. '/a.toml', BASE)
  local b = write(dir .. '/b.json', '{"com.example": {"max_ready": 5}}')
  local shaping = kumo.shaping.load { a, b }
  local params = shaping:get_egress_path_config('org.example', 'ip-9', SITE)
  test.equal(params, {
    connection_limit = 2,
    idle_timeout = '60s',
    max_message_rate = '20/s',
    max_ready = 5,
    additional_connection_limits = { shared = 3 },
  })
  test.equal(kumo.make_egress_path(params).max_ready, 5)
  test.equal(
    shaping:get_egress_path_config('big.example', 'ip-1', 'mx.bigmail.example').additional_connection_limits,
    { ['shaping-provider-bigmail-ip-1-limit'] = 20 }
  )
  test.equal(shaping:get_referenced_sources(), { ['ip-9'] = { 'site:' .. SITE } })
  test.equal({ shaping:get_errors(), shaping:get_warnings() }, { {}, {} })
  test.equal(#shaping:hash(), 64)
end)

test('the same file twice counts once, at its last place', function(dir)
  local a = write(dir .. '/a.toml', BASE)
  local b = write(dir .. '/b.toml', '["org.example"]\nmax_message_rate = "1/s"\nmax_ready = 7')
  local shaping = kumo.shaping.load { a, b, dir .. '/./a.toml' }
  local params = shaping:get_egress_path_config('org.example', 'ip', SITE)
  test.equal({ params.max_message_rate, params.max_ready }, { '20/s', 7 })
  local record = { recipient = 'x@org.example', site = 'ip->' .. SITE .. '@smtp_client', response = { code = 421, content = 'no' } }
  test.equal(#shaping:match_rules(record), 1)
end)

test('rules that a record meets', function(dir)
  local shaping = kumo.shaping.load { write(dir .. '/a.toml', BASE) }
  local record = {
    type = 'TransientFailure',
    recipient = { 'x@org.example' },
    site = 'ip->' .. SITE .. '@smtp_client',
    response = { code = 450, enhanced_code = { class = 4, subject = 2, detail = 1 }, content = 'please try later' },
  }
  test.equal(shaping:match_rules(record), {
    {
      regex = { 'try later', '^421' },
      action = { 'Suspend', { SetConfig = { name = 'max_message_rate', value = '1/s' } } },
      trigger = { Threshold = '2/hour' },
      duration = '1h',
      match_internal = false,
      was_rollup = true,
    },
  })
  record.response.content = 'no'
  test.equal(shaping:match_rules(record), {})
  record.recipient = 'postmaster'
  test.equal(shaping:match_rules(record), {})
end)

test('mistakes raise an error with all their places', function(dir)
  local a = write(dir .. '/a.toml', '["org.example"]\nmax_rate = 1\nidle_timeout = "soon"')
  test.raises(a .. ":2:1: unknown-option: 'max_rate' is no option", kumo.shaping.load, { a })
  test.raises(a .. ":3:1: bad-duration: idle_timeout: 'soon'", kumo.shaping.load, { a })
  local b = write(dir .. '/b.json', '{"x":')
  test.raises(b .. ':1:6: syntax: expected a value, got the end of the text', kumo.shaping.load, { b })
end)

test('levels', function(dir)
  local a = write(dir .. '/a.toml', '["null.example"]\nmax_ready = 1\n[foo.com]\nmax_ready = 1')
  local missing = dir .. '/missing.toml'
  local shaping = kumo.shaping.load({ a, missing }, { null_mx = 'Warn' })
  local errors = shaping:get_errors()
  test.equal(#errors, 2)
  test.equal(errors[1], a .. ":3:6: unquoted-domain: Entry for domain 'foo' consists of a single DNS label. [foo.com] is a table in a table; write [\"foo.com\"]")
  test.equal(errors[2], missing .. ':1:1: unreadable-file: local shaping source ' .. missing .. ' error: ' .. missing .. ': there is no such file')
  test.equal(#shaping:get_warnings(), 1)
  test.matches(shaping:get_warnings()[1], '^[^:]*/a.toml:1:2: null%-mx: domain null.example has a NULL MX')
  test.equal(kumo.shaping.load({ missing }, { local_load = 'Ignore' }):get_errors(), {})
  test.raises("expected one of Ignore, Warn, Error, got 'warn'", kumo.shaping.load, { a }, { null_mx = 'warn' })
  test.raises('did you mean `dns_fail`?', kumo.shaping.load, { a }, { dns_fial = 'Warn' })
end)

test('URLs', function(dir, url)
  local gone = url .. '/status/404'
  local shaping = kumo.shaping.load({ gone }, { remote_load = 'Warn' })
  test.equal(#shaping:get_warnings(), 1)
  test.matches(shaping:get_warnings()[1], 'remote shaping source http://.* error: GET http://.*: 404')
  test.equal(kumo.shaping.load({ gone }):get_warnings(), {})
  local skipped = kumo.shaping.load({ url }, { skip_remote = true })
  test.equal(skipped:get_warnings(), { url .. ':1:1: skipped-remote: Ignoring ' .. url .. ' because skip_remote is set to true' })
  -- What it answers is JSON, and no shaping file.
  test.raises(":1:2: wrong-type: 'method': expected a block, got string", kumo.shaping.load, { url })
  local silent = kumo.shaping.load({ url .. '/silent' }, { remote_load = 'Error', http_timeout = 0.05 })
  test.matches(silent:get_errors()[1], 'no answer within 0.05 s')
end)

test('explanations', function(dir)
  local a = write(dir .. '/a.toml', BASE)
  local explained = kumo.shaping.load({ a }):explain_egress_path_config('org.example', 'ip-9', SITE)
  local by_option = {}
  for _, entry in ipairs(explained) do
    by_option[entry.option] = entry
  end
  test.equal(by_option.connection_limit, {
    option = 'connection_limit',
    value = 2,
    origin = { kind = 'file', section = '["org.example".sources."ip-9"]', file = a, line = 10, column = 1 },
  })
  test.equal(by_option.idle_timeout.origin.kind, 'default')
  test.equal(by_option['additional_connection_limits.shared'].value, 3)
end)

test('dead sources', function(dir)
  local a = write(dir .. '/a.toml', BASE)
  local shaping = kumo.shaping.load { a }
  test.equal(shaping:get_dead_sources { 'ip-9' }, {})
  test.equal(shaping:get_dead_sources { 'ip-8' }, {
    a .. ":9:24: dead-source: Source 'ip-9' is not present in your sources data. Referenced by [\"org.example\".sources.\"ip-9\"]; did you mean 'ip-8'?",
  })
end)

test('it may be memoized', function(dir)
  local a = write(dir .. '/a.toml', BASE)
  local load = kumo.memoize(function(files)
    return kumo.shaping.load(files)
  end, { name = 'shaping_data', ttl = '1 minute', capacity = 4, invalidate_with_epoch = true })
  local first = load { a }
  write(a, '["default"]')
  test.equal(load({ a }):hash(), first:hash())
  test.equal(load({ a }):get_egress_path_config('x.example', 'ip', 'x').connection_limit, 10)
end)
