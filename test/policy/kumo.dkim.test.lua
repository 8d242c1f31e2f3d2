local kumo = require 'kumo'
local test = require 'testing'

-- Keys of these tests alone: Ed25519 of RFC 8463 appendix A, and RSA of 1024 bits.
local keys = package.searchpath('testing', package.path):match '^(.*)/' .. '/dkim'

local function read(path)
  local file = assert(io.open(path))
  local text = file:read 'a'
  file:close()
  return text
end
local RSA = read(keys .. '/rsa.key')
local ED25519 = read(keys .. '/ed25519.key')

local function message(text)
  return kumo.make_message('a@example.com', 'b@example.org', text or 'From: a@example.com\r\nSubject: hi\r\n\r\nbody\r\n')
end

local function options(more)
  local all = {
    domain = 'example.com',
    selector = 's1',
    headers = { 'From', 'To', 'Subject' },
    key = { key_data = ED25519 },
  }
  for name, value in pairs(more or {}) do
    all[name] = value
  end
  return all
end

local function write(path, text)
  local file = assert(io.open(path, 'w'))
  file:write(text)
  file:close()
end

-- The value of DKIM-Signature without folds, as a table of its tags.
local function tags(msg)
  local all = {}
  for tag, value in msg:get_first_named_header_value('DKIM-Signature'):gsub('%s+', ''):gmatch '(%a+)=([^;]*)' do
    all[tag] = value
  end
  return all
end

test('RSA: one header on top, everything else as it was', function()
  local msg = message()
  msg:dkim_sign(kumo.dkim.rsa_sha256_signer(options { key = { key_data = RSA } }))
  local signed = msg:get_data()
  test.equal(signed:sub(1, 27), 'DKIM-Signature: v=1; a=rsa-')
  test.equal(signed:match 'From: a.*$', 'From: a@example.com\r\nSubject: hi\r\n\r\nbody\r\n')
  local t = tags(msg)
  test.equal({ t.a, t.c, t.d, t.s, t.h }, { 'rsa-sha256', 'relaxed/relaxed', 'example.com', 's1', 'From:To:Subject' })
  test.equal(t.bh, 'Ck5SoRNWUpSR4X0COv7R5ub2pUTtl6xz4dTFz++ji4M=')
  test.equal({ #t.b, t.x }, { 172 })
  test.equal(#msg:get_all_headers(), 3)
end)

test('Ed25519, with every option', function()
  local msg = message 'From: a@example.com\nSubject: hi\n\nbody \n'
  msg:dkim_sign(kumo.dkim.ed25519_signer(options {
    header_canonicalization = 'Simple',
    body_canonicalization = 'Simple',
    expiration = 3600,
    over_sign = true,
    ttl = '1 minute',
  }))
  local t = tags(msg)
  test.equal({ t.a, t.c, t.h }, { 'ed25519-sha256', 'simple/simple', 'From:From:To:Subject:Subject' })
  test.equal(math.tointeger(t.x) - math.tointeger(t.t), 3600)
  -- What is sent has CRLF at every end of line, so that is what counts.
  test.equal(t.bh, kumo.digest.sha256('body \r\n').base64)
end)

test('the key decides about the algorithm', function()
  local msg = message()
  msg:dkim_sign(kumo.dkim.rsa_sha256_signer(options()))
  test.equal(tags(msg).a, 'ed25519-sha256')
end)

test('several signatures, and changes of the body between them', function()
  local signer = kumo.dkim.ed25519_signer(options())
  test.equal(tostring(signer), 'dkim_signer s1._domainkey.example.com')
  local msg = message()
  msg:dkim_sign(signer)
  msg:dkim_sign(kumo.dkim.ed25519_signer(options { selector = 's2' }))
  local first = tags(msg)
  test.equal({ #msg:get_all_named_header_values 'DKIM-Signature', first.s }, { 2, 's2' })
  test.equal(first.bh, kumo.digest.sha256('body\r\n').base64)
  msg:set_data((msg:get_data():gsub('body', 'other')))
  msg:dkim_sign(signer)
  test.equal(tags(msg).bh, kumo.digest.sha256('other\r\n').base64)
end)

test('a message of several megabytes', function()
  local text = ('x'):rep(76) .. '\r\n'
  local body = text:rep(40000)
  local msg = message('From: a@example.com\r\n\r\n' .. body)
  msg:dkim_sign(kumo.dkim.ed25519_signer(options()))
  msg:dkim_sign(kumo.dkim.rsa_sha256_signer(options { key = { key_data = RSA } }))
  for _, value in ipairs(msg:get_all_named_header_values 'DKIM-Signature') do
    test.equal(value:match 'bh=([^;]*)', kumo.digest.sha256(body).base64)
  end
end)

test('a key in a file is used until the file says otherwise, and kept when it is gone', function(directory)
  local path = directory .. '/s1.key'
  local function sign()
    local msg = message()
    msg:dkim_sign(kumo.dkim.ed25519_signer(options { key = path, ttl = 0 }))
    return tags(msg).a
  end
  write(path, ED25519)
  test.equal(sign(), 'ed25519-sha256')
  write(path, RSA)
  test.equal(sign(), 'rsa-sha256')
  os.remove(path)
  test.equal(sign(), 'rsa-sha256')
end)

kumo.on('key for tests', function(domain)
  return domain == 'example.com' and ED25519 or 'nothing good'
end)

test('a key that an event gives', function()
  local msg = message()
  local key = { event_name = 'key for tests', event_args = { 'example.com' } }
  msg:dkim_sign(kumo.dkim.ed25519_signer(options { key = key }))
  test.equal(tags(msg).a, 'ed25519-sha256')
end)

test('keys that are none name their file', function(directory)
  local new = kumo.dkim.rsa_sha256_signer
  test.raises(directory .. '/none.key: there is no such file', new, options { key = directory .. '/none.key' })
  write(directory .. '/bad.key', 'hello')
  test.raises(directory .. '/bad.key: it is no private key', new, options { key = directory .. '/bad.key' })
  write(directory .. '/cut.key', RSA:sub(1, 200) .. '\n-----END RSA PRIVATE KEY-----\n')
  test.raises(directory .. '/cut.key: its PEM text is damaged', new, options { key = directory .. '/cut.key' })
  test.raises(directory .. ': ', new, options { key = directory })
  local event = { event_name = 'key for tests', event_args = { 'other' } }
  test.raises('event key for tests: it is no private key', new, options { key = event })
end)

test('remembered options', function()
  local recall = kumo.memoize(function(name)
    return { headers = { 'From', name }, key = { key_data = ED25519 } }
  end, { name = 'options of a signer', ttl = 60, capacity = 10 })
  for _, name in ipairs { 'To', 'Cc' } do
    local remembered = recall(name)
    local msg = message()
    msg:dkim_sign(kumo.dkim.ed25519_signer(options { headers = remembered.headers, key = remembered.key }))
    test.equal(tags(msg).h, 'From:' .. name)
  end
end)

test('options that are wrong', function()
  local new = kumo.dkim.rsa_sha256_signer
  test.raises('missing field `headers`', new, { domain = 'a', selector = 'b', key = 'c' })
  test.raises('headers: From has to be among them', new, options { headers = { 'To' } })
  test.raises("expected one of Relaxed, Simple, got 'relaxed'", new, options { body_canonicalization = 'relaxed' })
  test.raises("domain: 'a b' is no name for the DNS", new, options { domain = 'a b' })
  test.raises('expiration: expected an integer', new, options { expiration = 0 })
  for _, name in ipairs { 'atps', 'atpsh', 'agent_user_identifier' } do
    test.raises(name .. ' is not currently supported', new, options { [name] = 'x' })
  end
  test.raises('body_length is not currently supported', new, options { body_length = true })
  test.raises('reporting is not currently supported', new, options { reporting = true })
  -- Errors go to logs.
  local ok, text = pcall(new, options { domain = false, key = { key_data = RSA } })
  test.equal({ ok, tostring(text):find('MII', 1, true) }, { false })
  -- Unknown names are told of in the log, and passed over.
  test.equal(tostring(new(options { body_length = false, over_sing = true })), 'dkim_signer s1._domainkey.example.com')
end)

test('messages that cannot be signed', function()
  local signer = kumo.dkim.ed25519_signer(options())
  local msg = message 'Subject: hi\r\n\r\nFrom: b\r\n'
  test.raises('message:dkim_sign: the message has no From header', msg.dkim_sign, msg, signer)
  test.equal(msg:get_data(), 'Subject: hi\r\n\r\nFrom: b\r\n')
  test.raises('expected a dkim_signer object', msg.dkim_sign, msg, {})
end)

kumo.on('pre_init', function()
  kumo.dkim.set_signing_threads(2)
  test.raises('it may be called once only', kumo.dkim.set_signing_threads, 2)
end)

test('threads are a matter of init', function()
  test.raises('pre_init and init alone', kumo.dkim.set_signing_threads, 2)
end)
