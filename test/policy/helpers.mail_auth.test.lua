local kumo = require 'kumo'
local test = require 'testing'
local mail_auth = require 'policy-extras.mail_auth'

kumo.on('pre_init', function()
  kumo.dns.configure_resolver {
    Test = {
      zones = {
        '1.2.0.192.in-addr.arpa. 30 PTR mx.example.com.\n2.2.0.192.in-addr.arpa. 30 PTR mx.example.com.\n3.2.0.192.in-addr.arpa. 30 PTR broken.example.com.\n4.2.0.192.in-addr.arpa. 30 PTR absent.example.com.\n',
        'mx.example.com. 30 A 192.0.2.1\n',
      },
      servfail = { '9.2.0.192.in-addr.arpa', 'broken.example.com' },
    },
  }
end)

local function message(meta)
  local msg = kumo.make_message('a@from.example', 'b@to.example', 'Subject: x\r\n\r\nhi\r\n')
  for key, value in pairs(meta or {}) do
    msg:set_meta(key, value)
  end
  return msg
end

test('iprev looks whether a name of the address leads back to it', function()
  local function result(ip)
    local found = mail_auth.iprev(ip)
    test.equal({ found.method, found.props['smtp.remote-ip'] }, { 'iprev', ip })
    return found.result
  end
  test.equal({ result '192.0.2.1', result '192.0.2.2', result '192.0.2.4' }, { 'pass', 'fail', 'fail' })
  test.equal({ result '192.0.2.3', result '192.0.2.9' }, { 'temperror', 'temperror' })
  test.equal({ result '192.0.2.8', result '2001:db8::1' }, { 'permerror', 'permerror' })
  test.equal(mail_auth.iprev_msg(message { received_from = '192.0.2.1:4321' }).result, 'pass')
  test.equal(mail_auth.iprev_msg(message { received_from = '192.0.2.1' }).result, 'pass')
  test.equal(mail_auth.iprev_msg(message()), nil)
end)

test('check tells what it found, and in the header nothing else', function()
  local msg = message { received_from = '192.0.2.1:4321', authn_id = 'alice', hostname = 'mx.here.example' }
  local results = mail_auth.check(msg)
  test.equal({ results.iprev.result, results.smtp_auth.result, results.smtp_auth.props['smtp.auth'] }, { 'pass', 'pass', 'alice' })
  test.equal(results.smtp_auth.props['smtp.mailfrom'], 'a@from.example')
  test.equal({ #results.dkim, results.spf, results.dmarc, results.arc }, { 0 })
  test.equal(#results.auth_results, 2)
  local header = msg:get_first_named_header_value 'Authentication-Results'
  test.matches(header, '^mx%.here%.example;')
  test.matches(header, 'iprev=pass')
  test.matches(header, 'auth=pass')
  test.equal(header:find('dkim', 1, true), nil)
  local anonymous = message()
  test.equal(mail_auth.check(anonymous, { iprev = false, server_id = 'me' }).smtp_auth.result, 'none')
  test.matches(anonymous:get_first_named_header_value 'Authentication-Results', '^me;')
  local silent = message()
  mail_auth.check(silent, { add_auth_results_header = false })
  test.equal(silent:get_first_named_header_value 'Authentication-Results', nil)
end)

test('a check that this release cannot make is an error when asked for by name', function()
  if message().arc_verify == nil then
    test.raises('mail_auth.check: arc: this check comes in a later release', mail_auth.check, message(), { arc = true })
  end
  test.raises("mail_auth.check: unknown option 'iprevv', did you mean 'iprev'?", mail_auth.check, message(), { iprevv = true })
  test.raises('mail_auth.check: spf: expected a boolean, got a string', mail_auth.check, message(), { spf = 'x' })
end)
