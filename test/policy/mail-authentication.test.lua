local kumo = require 'kumo'
local test = require 'testing'

-- Keys of these tests alone, as in kumo.dkim.test.lua: Ed25519 of RFC 8463 appendix A, and RSA of 1024 bits.
local keys = package.searchpath('testing', package.path):match '^(.*)/' .. '/dkim'
local function read(path)
  local file = assert(io.open(path))
  local text = file:read 'a'
  file:close()
  return text
end
local ED25519 = read(keys .. '/ed25519.key')
local RECORD = 's1._domainkey.example.com. 30 TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="\n'

kumo.on('pre_init', function()
  kumo.dns.configure_resolver {
    Test = {
      zones = {
        RECORD
          .. 'example.com. 30 TXT "v=spf1 ip4:192.0.2.1 -all"\n'
          .. '_dmarc.example.com. 30 TXT "v=DMARC1; p=reject"\n'
          .. 'soft.example.com. 30 TXT "v=spf1 a:mx.soft.example.com ~all"\n'
          .. 'mx.soft.example.com. 30 A 192.0.2.7\n'
          .. 'loop.example.com. 30 TXT "v=spf1 include:loop.example.com -all"\n'
          .. 'odd.example.com. 30 TXT "v=spf1 a:\226\128\139odd.example.com -all"\n'
          .. 'helo.example.com. 30 TXT "v=spf1 ip4:192.0.2.1 -all"\n',
        '_dmarc.example.net. 30 TXT "v=DMARC1; p=none"\n_dmarc.example.org. 30 TXT "v=DMARC1; p=quarantine"\n',
      },
      servfail = { 'down.example.com', '_dmarc.down.example.com', 's1._domainkey.down.example.com' },
    },
  }
  kumo.dns.define_resolver('other', { Test = { 'example.com. 30 TXT "v=spf1 ip4:198.51.100.1 -all"\n' } })
end)

local TEXT = 'From: Joe <joe@example.com>\r\nTo: b@dest.example\r\nSubject: hi\r\n\r\nbody\r\n'

local function message(text, meta, sender)
  local msg = kumo.make_message(sender or 'joe@example.com', 'b@dest.example', text or TEXT)
  for key, value in pairs(meta or {}) do
    msg:set_meta(key, value)
  end
  return msg
end

local function signer(more)
  local options = { domain = 'example.com', selector = 's1', headers = { 'From', 'To', 'Subject' }, key = { key_data = ED25519 } }
  for name, value in pairs(more or {}) do
    options[name] = value
  end
  return kumo.dkim.ed25519_signer(options)
end

local function signed(text, more)
  local msg = message(text)
  msg:dkim_sign(signer(more))
  return msg
end

local function results(list)
  local found = {}
  for i, result in ipairs(list) do
    found[i] = result.result
  end
  return found
end

test('dkim_verify: what we signed passes, in every form', function()
  for _, form in ipairs { 'Relaxed', 'Simple' } do
    local msg = signed(TEXT, { header_canonicalization = form, body_canonicalization = form, over_sign = true })
    local found = msg:dkim_verify()
    test.equal(results(found), { 'pass' })
    test.equal({ found[1].method, found[1].reason }, { 'dkim' })
    test.equal({ found[1].props['header.d'], found[1].props['header.s'], found[1].props['header.a'] }, { 'example.com', 's1', 'ed25519-sha256' })
    test.equal(found[1].props['header.i'], '@example.com')
    test.equal(#found[1].props['header.b'], 8)
  end
  test.equal(message():dkim_verify(), {})
end)

test('dkim_verify: what was changed, or has no key, does not pass', function()
  local data = signed():get_data()
  test.equal(results(message(data .. 'more\r\n'):dkim_verify()), { 'fail' })
  test.equal(results(message((data:gsub('Subject: hi', 'Subject: ho'))):dkim_verify()), { 'fail' })
  test.equal(results(signed(TEXT, { selector = 'absent' }):dkim_verify()), { 'neutral' })
  test.equal(results(signed(TEXT, { domain = 'down.example.com' }):dkim_verify()), { 'temperror' })
  local bare = message((data:gsub('\r\n', '\n'))):dkim_verify()
  test.equal({ #bare, bare[1].result, bare[1].reason }, { 1, 'permerror', 'bare CR or LF in the message' })
  test.equal(results(message('DKIM-Signature: nonsense\r\n' .. TEXT):dkim_verify()), { 'neutral' })
end)

test('dkim_verify: several signatures, of which 10 are looked at', function()
  local msg = message()
  for _ = 1, 12 do
    msg:dkim_sign(signer())
  end
  local found = msg:dkim_verify()
  test.equal(#found, 10)
  for _, result in ipairs(found) do
    test.equal(result.result, 'pass')
  end
end)

test('resolvers by name', function()
  test.equal(results(signed():dkim_verify 'other'), { 'neutral' })
  test.raises("no resolver is defined as 'nobody'", function()
    signed():dkim_verify 'nobody'
  end)
  local msg = message(nil, { received_from = '192.0.2.1:25', ehlo_domain = 'helo.example.com' })
  test.equal(kumo.spf.check_msg(msg).disposition, 'pass')
  test.equal(kumo.spf.check_msg(msg, 'other').disposition, 'fail')
end)

local function spf(sender, ip, helo)
  local meta = { received_from = ip or '192.0.2.1:25', ehlo_domain = helo or 'helo.example.com' }
  return kumo.spf.check_msg(message(nil, meta, sender))
end

test('spf.check_msg', function()
  local found = spf 'joe@example.com'
  test.equal({ found.disposition, found.result.method, found.result.result }, { 'pass', 'spf', 'pass' })
  test.equal(found.result.props, { ['smtp.mailfrom'] = 'joe@example.com', ['smtp.helo'] = 'helo.example.com' })
  test.equal(spf('joe@example.com', '192.0.2.9:25').disposition, 'fail')
  test.equal(spf('joe@soft.example.com', '192.0.2.9:25').disposition, 'softfail')
  test.equal(spf('joe@soft.example.com', '192.0.2.7:25').disposition, 'pass')
  test.equal(spf('joe@none.example.com').disposition, 'none')
  test.equal(spf('joe@down.example.com').disposition, 'temperror')
  test.equal(spf('joe@loop.example.com').disposition, 'permerror')
  test.equal(spf('joe@odd.example.com').disposition, 'permerror')
  local helo = spf ''
  test.equal({ helo.disposition, helo.result.props['smtp.mailfrom'] }, { 'pass' })
  test.equal(spf('', '[2001:db8::1]:25').disposition, 'fail')
  test.raises('received_from is not IP:PORT', kumo.spf.check_msg, message())
  test.raises('received_from is not IP:PORT', kumo.spf.check_msg, message(nil, { received_from = '192.0.2.1' }))
end)

local function dmarc(domain, dkim, spf_result)
  local msg = message((TEXT:gsub('example%.com', domain)))
  return kumo.dmarc.check_msg(msg, dkim or {}, nil, spf_result or { method = 'spf', result = 'none' }, false)
end

test('dmarc.check_msg', function()
  local function dkim(domain)
    return { { method = 'dkim', result = 'pass', props = { ['header.d'] = domain } } }
  end
  local found = dmarc('example.com', dkim 'example.com')
  test.equal({ found.disposition, found.result.method, found.result.result }, { 'Pass', 'dmarc', 'pass' })
  test.equal(found.result.props, { ['header.from'] = 'example.com' })
  test.equal(dmarc('example.com', dkim 'mail.example.com').disposition, 'Pass')
  local spf_result = { method = 'spf', result = 'pass', props = { ['smtp.mailfrom'] = 'bounce@example.com' } }
  test.equal(dmarc('example.com', {}, spf_result).disposition, 'Pass')
  local rejected = dmarc('example.com', dkim 'example.net')
  test.equal({ rejected.disposition, rejected.result.result }, { 'Reject', 'fail' })
  test.equal(rejected.result.props['policy.published-domain-policy'], 'reject')
  test.equal(dmarc('example.org').disposition, 'Quarantine')
  local tolerated = dmarc 'example.net'
  test.equal({ tolerated.disposition, tolerated.result.result }, { 'None', 'fail' })
  test.equal(dmarc('none.example').result.result, 'none')
  local unknown = dmarc 'down.example.com'
  test.equal({ unknown.disposition, unknown.result.result }, { 'TempError', 'temperror' })
  for _, text in ipairs { 'Subject: x\r\n\r\nx\r\n', 'From: a@x.example, b@y.example\r\n\r\nx\r\n', 'From: <<>>@@\r\n\r\nx\r\n' } do
    local nobody = kumo.dmarc.check_msg(message(text), {}, nil, { method = 'spf', result = 'none' }, false)
    test.equal({ nobody.disposition, nobody.result.result }, { 'PermError', 'permerror' })
  end
end)

local RESULTS = { { method = 'spf', result = 'pass', props = { ['smtp.mailfrom'] = 'joe@example.com' } } }

test('arc: seals that follow each other pass, and a changed message does not', function()
  local msg = signed()
  test.equal(msg:arc_verify().result, 'none')
  for instance = 1, 3 do
    msg:prepend_header('Received', 'from hop' .. instance)
    msg:arc_seal(signer(), 'hop.example', RESULTS)
    local found = msg:arc_verify()
    test.equal({ found.method, found.result, found.reason }, { 'arc', 'pass' })
    test.matches(msg:get_first_named_header_value 'ARC-Authentication-Results', '^i=' .. instance .. '; hop%.example;')
  end
  test.equal(#msg:get_all_named_header_values 'ARC-Seal', 3)
  test.equal(results(msg:dkim_verify()), { 'pass' })
  local broken = message((msg:get_data():gsub('Subject: hi', 'Subject: ho')))
  test.equal(broken:arc_verify().result, 'fail')
  local before = broken:get_data()
  broken:arc_seal(signer(), 'hop.example', RESULTS)
  test.equal(broken:get_data(), before)
  test.equal(message((msg:get_data():gsub('i=2;', 'i=4;'))):arc_verify().result, 'fail')
end)

test('arc: seals of RSA, in simple form', function()
  local msg = message()
  local rsa = kumo.dkim.rsa_sha256_signer {
    domain = 'example.com',
    selector = 'r1',
    headers = { 'From', 'Subject', 'ARC-Seal' },
    header_canonicalization = 'Simple',
    body_canonicalization = 'Simple',
    key = { key_data = read(keys .. '/rsa.key') },
  }
  msg:arc_seal(rsa, 'hop.example', {})
  test.equal(#msg:get_all_named_header_values 'ARC-Seal', 1)
  -- Its key is in no zone.
  test.equal(msg:arc_verify().result, 'fail')
end)
