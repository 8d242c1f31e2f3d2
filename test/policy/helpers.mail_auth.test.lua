local kumo = require 'kumo'
local test = require 'testing'
local mail_auth = require 'policy-extras.mail_auth'

kumo.on('pre_init', function()
  kumo.dns.configure_resolver {
    Test = {
      zones = {
        '1.2.0.192.in-addr.arpa. 30 PTR mx.example.com.\n2.2.0.192.in-addr.arpa. 30 PTR mx.example.com.\n3.2.0.192.in-addr.arpa. 30 PTR broken.example.com.\n4.2.0.192.in-addr.arpa. 30 PTR absent.example.com.\n',
        'mx.example.com. 30 A 192.0.2.1\n',
        'from.example. 30 TXT "v=spf1 ip4:192.0.2.1 -all"\n_dmarc.from.example. 30 TXT "v=DMARC1; p=reject"\n',
        's1._domainkey.from.example. 30 TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="\n',
      },
      servfail = { '9.2.0.192.in-addr.arpa', 'broken.example.com' },
    },
  }
end)

local ED25519 = package.searchpath('testing', package.path):match '^(.*)/' .. '/dkim/ed25519.key'

local function message(meta)
  local msg = kumo.make_message('a@from.example', 'b@to.example', 'From: a@from.example\r\nSubject: x\r\n\r\nhi\r\n')
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

local function sign(msg)
  msg:dkim_sign(kumo.dkim.ed25519_signer { domain = 'from.example', selector = 's1', headers = { 'From' }, key = ED25519 })
end

test('check makes all checks, and tells them in the header in order', function()
  local msg = message { received_from = '192.0.2.1:4321', ehlo_domain = 'mx.example.com', authn_id = 'alice', hostname = 'mx.here.example' }
  sign(msg)
  local results = mail_auth.check(msg)
  test.equal({ results.iprev.result, results.smtp_auth.result, results.smtp_auth.props['smtp.auth'] }, { 'pass', 'pass', 'alice' })
  test.equal(results.smtp_auth.props['smtp.mailfrom'], 'a@from.example')
  test.equal({ #results.dkim, results.dkim[1].result, results.spf.result }, { 1, 'pass', 'pass' })
  test.equal({ results.dmarc.result, results.arc.result }, { 'pass', 'none' })
  local order = {}
  for i, result in ipairs(results.auth_results) do
    order[i] = result.method
  end
  test.equal(order, { 'dkim', 'spf', 'iprev', 'auth', 'dmarc', 'arc' })
  local header = msg:get_first_named_header_value 'Authentication-Results'
  test.matches(header, '^mx%.here%.example;.*dkim=pass.*spf=pass.*iprev=pass.*auth=pass.*dmarc=pass.*arc=none')
end)

test('check of mail that is not signed, whose client is not known, and of mail of somebody else', function()
  local results = mail_auth.check(message())
  test.equal({ #results.dkim, results.dkim[1].result, results.dkim[1].reason }, { 1, 'none', 'message was not signed' })
  test.equal({ results.spf, results.iprev }, {})
  test.equal({ results.dmarc.result, results.dmarc.props['policy.published-domain-policy'] }, { 'fail', 'reject' })
  local forged = mail_auth.check(message { received_from = '192.0.2.9:4321', ehlo_domain = 'x.example' })
  test.equal({ forged.spf.result, forged.dmarc.result }, { 'fail', 'fail' })
end)

test('a check that is turned off is not made', function()
  local msg = message { received_from = '192.0.2.1:4321' }
  local results = mail_auth.check(msg, { dkim = false, arc = false })
  test.equal({ #results.dkim, results.dmarc, results.arc }, { 0 })
  test.equal(#results.auth_results, 3)
  test.equal(msg:get_first_named_header_value('Authentication-Results'):find('dkim', 1, true), nil)
  local anonymous = message()
  test.equal(mail_auth.check(anonymous, { iprev = false, server_id = 'me' }).smtp_auth.result, 'none')
  test.matches(anonymous:get_first_named_header_value 'Authentication-Results', '^me;')
  local silent = message()
  mail_auth.check(silent, { add_auth_results_header = false })
  test.equal(silent:get_first_named_header_value 'Authentication-Results', nil)
end)

test('options that are wrong', function()
  test.raises("mail_auth.check: unknown option 'iprevv', did you mean 'iprev'?", mail_auth.check, message(), { iprevv = true })
  test.raises('mail_auth.check: spf: expected a boolean, got a string', mail_auth.check, message(), { spf = 'x' })
end)
