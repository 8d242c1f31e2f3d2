-- Addresses, address headers, connection metadata, key sources.
local kumo = require 'kumo'
local test = require 'testing'

local function with(data) return kumo.make_message('from@x.example', 'to@y.example', data) end
local function sender(text) return kumo.make_message(text, 'to@y.example', 'X: 1\r\n\r\n'):sender() end
local function recipient(text) return kumo.make_message('from@x.example', text, 'X: 1\r\n\r\n'):recipient() end

test('envelope addresses: user, domain, email', function()
  local a = recipient 'Some.User@Example.COM'
  test.equal({ a.user, a.domain, a.email, tostring(a) }, { 'Some.User', 'Example.COM', 'Some.User@Example.COM', 'Some.User@Example.COM' })
  local quoted = recipient '"a b"@x.example'
  test.equal({ quoted.user, quoted.email, tostring(quoted) }, { 'a b', '"a b"@x.example', '"a b"@x.example' })
  local literal = recipient 'u@[192.0.2.1]'
  test.equal({ literal.domain, literal.email }, { '[192.0.2.1]', 'u@[192.0.2.1]' })
  test.equal(recipient('u@[IPv6:2001:db8::1]').domain, '[IPv6:2001:db8::1]')
  local null = sender ''
  test.equal({ null.user, null.domain, null.email, tostring(null) }, { '', '', '', '' })
  test.equal(sender('<>').email, '')
  local postmaster = recipient 'Postmaster'
  test.equal({ postmaster.user, postmaster.domain, postmaster.email, tostring(postmaster) }, { 'postmaster', '', 'Postmaster', 'Postmaster' })
end)

test('envelope addresses: forms that are read', function()
  test.equal(recipient('<u@x.example>').email, 'u@x.example')
  test.equal(recipient('<@relay.example,@b.example:u@x.example>').email, 'u@x.example')
  test.equal(('%s'):format(recipient 'u@x.example'), 'u@x.example')
  test.equal(recipient 'u@x.example' == recipient 'u@x.example', false)
  test.raises('', function() return recipient 'u@x.example' .. '' end)
  for _, wrong in ipairs { 'a b@x.example', 'a@b@c', '@', 'a@', '<a@x.example' } do
    test.raises('', recipient, wrong)
  end
end)

test('sender and recipients are set by text, lists, addresses', function()
  local m = with 'X: 1\r\n\r\n'
  m:set_sender 'other@z.example'
  m:set_recipient { 'a@x.example', 'b@x.example' }
  test.equal({ m:sender().email, #m:recipient_list(), m:recipient_list()[2].email }, { 'other@z.example', 2, 'b@x.example' })
  test.equal({ #m:recipient(), m:recipient()[1].email }, { 2, 'a@x.example' })
  m:set_recipient(m:recipient_list()[2])
  test.equal(m:recipient().email, 'b@x.example')
  m:set_sender(m:recipient())
  test.equal(m:sender().email, 'b@x.example')
  m:set_sender ''
  test.equal(m:sender().email, '')
  test.raises('', m.set_recipient, m, 'not an address@@')
  test.raises('', m.set_recipient, m, 5)
end)

test('address headers: a single plain address', function()
  local from = with('From: "Some \\"one\\"" <"a b"@X.example> (comment)\r\n\r\n'):from_header()
  test.equal({ from.user, from.domain, from.email, from.name }, { 'a b', 'X.example', '"a b"@X.example', 'Some "one"' })
  local bare = with('From: u@x.example\r\n\r\n'):from_header()
  test.equal({ bare.email, bare.name }, { 'u@x.example' })
  test.equal(with('From: =?UTF-8?Q?Gr=C3=B6=C3=9Fe?= <u@x.example>\r\n\r\n'):from_header().name, 'Größe')
  test.equal({ with('X: 1\r\n\r\n'):from_header(), with('X: 1\r\n\r\n'):to_header() }, {})
  test.equal(with('reply-TO: u@x.example\r\n\r\n'):get_address_header('Reply-To').email, 'u@x.example')
end)

test('address headers: several, groups, none', function()
  for _, data in ipairs { 'To: a@x.example, b@x.example', 'To: G: a@x.example;', 'To: undisclosed-recipients:;' } do
    local to = with(data .. '\r\n\r\n'):to_header()
    for _, field in ipairs { 'user', 'domain', 'email', 'name' } do
      test.raises('is not a simple', function() return to[field] end)
    end
  end
  local list = with('To: A <a@x.example>, G: b@x.example, C <c@x.example>;, d@x.example\r\n\r\n'):to_header().list
  test.equal(#list, 4)
  test.equal({ list[1].name, list[2].email, list[3].name, list[4].user, list[2].name }, { 'A', 'b@x.example', 'C', 'd' })
  test.equal(with('To: undisclosed-recipients:;\r\n\r\n'):to_header().list, {})
end)

test('address headers as text are JSON', function()
  local h = with('To: A <a@x.example>, b@x.example\r\n\r\n'):to_header()
  local parsed = kumo.serde.json_parse(tostring(h))
  test.equal({ parsed[1].name, parsed[1].address, parsed[2].address }, { 'A', 'a@x.example', 'b@x.example' })
  test.equal(tostring(h.list[1]), '{"name":"A","address":"a@x.example"}')
  test.equal(tostring(h.list[2]), '{"name":null,"address":"b@x.example"}')
  test.raises('', with('From: <broken\r\n\r\n').from_header, with 'From: <broken\r\n\r\n')
end)

kumo.on('reference_key', function(...)
  return table.concat({ ... }, '/')
end)
kumo.on('reference_no_key', function() return 5 end)
kumo.on('reference_nil_key', function() end)

test('key sources: a path, data, an event', function(directory)
  local path = directory .. '/key'
  local file = assert(io.open(path, 'w'))
  file:write 'from\0a file\n'
  file:close()
  test.equal(kumo.secrets.load(path), 'from\0a file\n')
  test.equal(kumo.secrets.load { key_data = 'in\xffline' }, 'in\xffline')
  test.equal(kumo.secrets.load { event_name = 'reference_key', event_args = { 'a', 'b' } }, 'a/b')
  test.equal(kumo.secrets.load { event_name = 'reference_key', event_args = {} }, '')
  test.equal(kumo.secrets.load { key_data = 'first', event_name = 'reference_key', event_args = {} }, 'first')
  test.raises(directory .. '/none', kumo.secrets.load, directory .. '/none')
  test.raises('event_args', kumo.secrets.load, { event_name = 'reference_key' })
  test.raises('', kumo.secrets.load, { event_name = 'reference_nil_key', event_args = {} })
  test.raises('', kumo.secrets.load, {})
  test.raises('', kumo.secrets.load, { key_data = true })
  test.raises('', kumo.secrets.load, nil)
  test.raises('', kumo.secrets.load, { vault_mount = 'secret' })
end)

test('key sources stand in options', function()
  for _, key in ipairs { '/tmp/key.pem', { key_data = 'x' }, { event_name = 'reference_key', event_args = { 'a' } }, { vault_mount = 'm', vault_path = 'p' } } do
    kumo.make_egress_path { smtp_auth_plain_username = 'u', smtp_auth_plain_password = key }
    kumo.start_esmtp_listener { listen = '127.0.0.1:0', tls_private_key = key, tls_certificate = key }
  end
  test.raises('smtp_auth_plain_password', kumo.make_egress_path, { smtp_auth_plain_password = 5 })
  test.raises('smtp_auth_plain_password', kumo.make_egress_path, { smtp_auth_plain_password = {} })
end)
