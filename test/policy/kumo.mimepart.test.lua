local kumo = require 'kumo'
local test = require 'testing'
local mimepart = kumo.mimepart

local MESSAGE = table.concat({
  'From: "Lee, Ann" <ann@x.example>',
  'To: Team: a@x.example, B <b@x.example>;, c@x.example',
  'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=',
  'Message-ID: <id@x.example>',
  'References: <a@x> <b@x>',
  'Content-Type: multipart/mixed; boundary="b"',
  '',
  '--b',
  'Content-Type: text/plain; charset=iso-8859-1',
  '',
  'gr\xfc\xdfe',
  '--b',
  'Content-Type: image/png; name=a.png',
  'Content-Disposition: attachment; filename="a.png"',
  'Content-Transfer-Encoding: base64',
  '',
  'AAEC',
  '--b--',
  '',
}, '\r\n')

test('what is not changed is written back byte for byte', function()
  local part = mimepart.parse(MESSAGE)
  test.equal(tostring(part), MESSAGE)
  test.equal(part.id, '')
end)

test('the structure and the bodies', function()
  local structure = mimepart.parse(MESSAGE):get_simple_structure()
  test.equal(structure.text_part.body, 'grüße')
  test.equal(structure.html_part, nil)
  test.equal(structure.header_part.headers:subject(), 'Grüße')
  local attachment = structure.attachments[1]
  test.equal(#structure.attachments, 1)
  test.equal(attachment.file_name, 'a.png')
  test.equal(attachment.inline, false)
  test.equal(attachment.content_type, 'image/png')
  test.equal(attachment.part.body, '\0\1\2')
  test.equal(attachment.part.id, '1')
end)

test('a body is assigned, and tostring of a child is the whole message', function()
  local part = mimepart.parse(MESSAGE)
  local text = part:get_simple_structure().text_part
  text.body = 'neu: ü'
  test.equal(mimepart.parse(tostring(text)):get_simple_structure().text_part.body, 'neu: ü')
  text:replace_body('<b>x</b>', 'text/html')
  test.equal(mimepart.parse(tostring(part)):get_simple_structure().html_part.body, '<b>x</b>')
  local ok, problem = pcall(function() part.color = 'red' end)
  test.equal(ok, false)
  test.equal(tostring(problem):find "no field 'color'" ~= nil, true)
end)

test('structured headers', function()
  local headers = mimepart.parse(MESSAGE).headers
  test.equal(headers:from()[1].name, 'Lee, Ann')
  test.equal(headers:from()[1].address, { local_part = 'ann', domain = 'x.example' })
  local to = headers:to()
  test.equal(to[1].name, 'Team')
  test.equal(to[1].entries[2].name, 'B')
  test.equal(to[2].address.domain, 'x.example')
  test.equal(headers:message_id(), 'id@x.example')
  test.equal(headers:references(), { 'a@x', 'b@x' })
  test.equal(headers:content_type(), { value = 'multipart/mixed', parameters = { boundary = 'b' } })
  test.equal(headers:cc(), nil)
end)

test('setters take text and structures, and check both', function()
  local part = mimepart.parse 'A: b\r\nsubject: x\r\n\r\nbody'
  local headers = part.headers
  headers:set_subject 'ü'
  headers:set_from 'Ann <a@x.example>'
  headers:set_to { { name = 'Ü', address = { local_part = 'a b', domain = 'x.example' } } }
  headers:set_sender { address = { local_part = 'a', domain = 'x.example' } }
  headers:set_references { 'a@x', 'b@x' }
  headers:set_content_type { value = 'text/plain', parameters = { charset = 'utf-8' } }
  headers:set_resent_from 'r@x.example'
  test.equal(
    tostring(part),
    'A: b\r\nSubject: =?UTF-8?B?w7w=?=\r\nFrom: Ann <a@x.example>\r\nTo: =?UTF-8?B?w5w=?= <"a b"@x.example>\r\n'
      .. 'Sender: a@x.example\r\nReferences: <a@x> <b@x>\r\nContent-Type: text/plain; charset=utf-8\r\n'
      .. 'Resent-From: r@x.example\r\n\r\nbody'
  )
  for _, call in ipairs {
    function() headers:set_from 'not an address' end,
    function() headers:set_from 'a@x.example\r\nBcc: b@x.example' end,
    function() headers:set_to { { address = { local_part = 'a', domain = 'x>\r\nBcc: b@x.example' } } } end,
    function() headers:set_message_id 'a x@x' end,
    function() headers:set_sender { 'a@x' } end,
    function() headers:set_content_type { parameters = {} } end,
  } do
    test.equal(pcall(call), false)
  end
  headers:set_subject 'one\r\nBcc: two'
  test.equal(headers:get_first_named 'bcc', nil)
end)

test('headers are walked, added and removed', function()
  local part = mimepart.parse 'A: 1\r\nB: 2\r\na: 3\r\n\r\n'
  local seen = {}
  for header in part.headers:iter 'A' do
    seen[#seen + 1] = header.name .. '=' .. header.value
  end
  test.equal(seen, { 'A=1', 'a=3' })
  part.headers:append('C', 'ü')
  part.headers:prepend('D', '4')
  part.headers:remove_all_named 'a'
  test.equal(tostring(part.headers), 'D: 4\r\nB: 2\r\nC: =?UTF-8?B?w7w=?=\r\n')
end)

test('fields of a header', function()
  local headers = mimepart.parse 'X-To: A <a@x.example>\r\nX-Id: <a@b>\r\nX-Type: a/b; c=d\r\n\r\n'.headers
  local to = headers:get_first_named 'x-to'
  test.equal(to.value, 'A <a@x.example>')
  test.equal(to.mailbox.name, 'A')
  test.equal(to.address_list[1].address.local_part, 'a')
  test.equal(headers:get_first_named('x-id').message_id_list, { 'a@b' })
  test.equal(headers:get_first_named('x-type').mime_params.parameters.c, 'd')
  test.equal(pcall(function() return to.message_id end), false)
end)

test('a message is built', function()
  local builder = mimepart.builder()
  builder:set_stable_content(true)
  builder:text_plain 'hi'
  builder:text_html '<b>hi</b>'
  builder:attach('text/csv', 'a,b', { file_name = 'a.csv' })
  local part = builder:build()
  test.equal(pcall(builder.build, builder), false)
  part.headers:set_subject 'built'
  local structure = mimepart.parse(tostring(part)):get_simple_structure()
  test.equal(structure.text_part.body, 'hi')
  test.equal(structure.html_part.body, '<b>hi</b>')
  test.equal(structure.attachments[1].file_name, 'a.csv')
end)

test('parts are put together', function()
  local part = mimepart.new_multipart('multipart/mixed', { mimepart.new_text_plain 'one' }, 'xyz')
  part:append_part(mimepart.new_binary('image/png', '\0\1', { file_name = 'ä.png', inline = true, content_id = 'c@x' }))
  part:append_part(mimepart.new_html '<b>')
  test.equal(#mimepart.parse(tostring(part)):get_simple_structure().attachments, 1)
  test.equal(pcall(mimepart.new_multipart, 'multipart/mixed', {}, 'a\r\nb'), false)
  test.equal(pcall(mimepart.new_binary, 'image/png', 'x', { filename = 'a' }), false)
end)

test('hostile input is read or refused', function()
  local nested = ''
  for n = 1, 200 do
    nested = nested .. 'Content-Type: multipart/mixed; boundary=b' .. n .. '\r\n\r\n--b' .. n .. '\r\n'
  end
  local ok, problem = pcall(mimepart.parse, nested)
  test.equal(ok, false)
  test.equal(tostring(problem):find 'nest deeper than 100' ~= nil, true)
  local headers = mimepart.parse('__proto__: x\r\nconstructor: \xff\r\n\r\n').headers
  test.equal(headers:get_first_named('__proto__').value, 'x')
  test.equal(headers:get_first_named('constructor').value, '\xff')
  test.equal(headers:get_first_named('toString'), nil)
  local long = ('a'):rep(1000000)
  test.equal(mimepart.parse('X: ' .. long .. '\r\n\r\n').headers:get_first_named('x').value, long)
  local parameters = mimepart.parse('Content-Type: a/b; __proto__=x\r\n\r\n').headers:content_type().parameters
  test.equal(parameters.__proto__, 'x')
end)
