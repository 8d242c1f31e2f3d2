-- MIME parts, header maps, headers, results of authentication.
local kumo = require 'kumo'
local test = require 'testing'
local M = kumo.mimepart

local mail = table.concat({
  'From: Ann <ann@x.example>', 'To: Bob <bob@y.example>, G: c@y.example, D <d@y.example>;', 'Cc: e@y.example', 'Sender: s@x.example',
  'Subject: =?UTF-8?Q?Gr=C3=B6=C3=9Fe?=', 'Message-ID: <id@x.example>', 'References: <a@x.example> <b@x.example>', 'Comments: none',
  'Mime-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b', 'X-A: 1', 'X-A: 2', '', '--b', 'Content-Type: text/plain; charset=iso-8859-1',
  'Content-Transfer-Encoding: quoted-printable', '', 'Gr=F6=DFe', '--b', 'Content-Type: text/html; charset=utf-8', '', '<p>hi</p>', '--b',
  'Content-Type: application/pdf; name=a.pdf', 'Content-Disposition: attachment; filename=a.pdf', 'Content-ID: <cid@x.example>',
  'Content-Transfer-Encoding: base64', '', 'AAECAw==', '--b', '', 'bare', '--b--', '',
}, '\r\n')

test('reading and writing back', function()
  local p = M.parse(mail)
  test.equal(tostring(p), mail)
  local s = p:get_simple_structure()
  test.equal(s.text_part.body:gsub('%s+$', ''), 'Größe')
  test.equal(s.html_part.body:gsub('%s+$', ''), '<p>hi</p>')
  test.equal(s.attachments[1].file_name, 'a.pdf')
  test.equal({ s.attachments[1].inline, s.attachments[1].content_id, s.attachments[1].content_type }, { false, 'cid@x.example', 'application/pdf' })
  test.equal(s.attachments[1].part.body, '\0\1\2\3')
  test.equal({ type(s.text_part.id), s.amp_html_part }, { 'string' })
end)

test('bodies are assigned', function()
  local p = M.parse(mail)
  local s = p:get_simple_structure()
  s.text_part.body = 'Neuer Text: größer'
  local again = M.parse(tostring(p)):get_simple_structure()
  test.equal((again.text_part.body:gsub('%s+$', '')), 'Neuer Text: größer')
  test.equal(again.text_part.headers:content_type().value, 'text/plain')
  s.attachments[1].part:replace_body('\xff\xfe', 'image/png')
  again = M.parse(tostring(p)):get_simple_structure()
  test.equal({ again.attachments[1].part.body, again.attachments[1].content_type }, { '\xff\xfe', 'image/png' })
end)

test('getters of a header map', function()
  local h = M.parse(mail).headers
  local from, to = h:from(), h:to()
  test.equal({ from[1].name, from[1].address.local_part, from[1].address.domain }, { 'Ann', 'ann', 'x.example' })
  test.equal({ #to, to[1].name, to[2].name, #to[2].entries, to[2].entries[2].address.local_part }, { 2, 'Bob', 'G', 2, 'd' })
  test.equal({ h:cc()[1].address.local_part, h:sender().address.local_part, h:bcc(), h:reply_to() }, { 'e', 's' })
  test.equal({ h:subject(), h:comments(), h:message_id(), h:mime_version() }, { 'Größe', 'none', 'id@x.example', '1.0' })
  test.equal(h:references(), { 'a@x.example', 'b@x.example' })
  test.equal({ h:content_type().value, h:content_type().parameters.boundary, h:content_disposition(), h:content_id() }, { 'multipart/mixed', 'b' })
  for _, name in ipairs { 'resent_from', 'resent_to', 'resent_cc', 'resent_bcc', 'resent_sender', 'content_transfer_encoding' } do
    test.equal({ name, h[name](h) }, { name })
  end
end)

test('setters of a header map take text and structures', function()
  local p = M.new_text_plain 'hi'
  local h = p.headers
  h:set_from 'Ann <ann@x.example>'
  h:set_to { { name = 'Bob', address = { local_part = 'bob', domain = 'y.example' } } }
  h:set_cc 'c@y.example, d@y.example'
  h:set_bcc 'e@y.example'
  h:set_reply_to 'r@y.example'
  h:set_sender { address = { local_part = 's', domain = 'x.example' } }
  h:set_subject 'Größe'
  h:set_comments 'none'
  h:set_message_id 'id@x.example'
  h:set_references { 'a@x.example', 'b@x.example' }
  h:set_mime_version '1.0'
  h:set_resent_from 'f@x.example'
  h:set_resent_to 'g@x.example'
  h:set_resent_sender 'h@x.example'
  h:set_content_id 'cid@x.example'
  h:set_content_type { value = 'text/plain', parameters = { charset = 'utf-8' } }
  local back = M.parse(tostring(p)).headers
  test.equal({ back:from()[1].name, back:to()[1].name, #back:cc(), #back:bcc(), #back:reply_to() }, { 'Ann', 'Bob', 2, 1, 1 })
  test.equal({ back:sender().address.local_part, back:subject(), back:comments(), back:message_id() }, { 's', 'Größe', 'none', 'id@x.example' })
  test.equal({ back:references()[2], back:resent_from()[1].address.local_part, back:resent_to()[1].address.local_part }, { 'b@x.example', 'f', 'g' })
  test.equal({ back:content_id(), back:content_type().parameters.charset, back:from()[1].address.domain }, { 'cid@x.example', 'utf-8', 'x.example' })
  test.raises('', h.set_from, h, 'not an address at all <')
  test.raises('', h.set_to, h, { { address = 5 } })
end)

test('walking, adding, removing', function()
  local p = M.parse(mail)
  local h = p.headers
  local names, values = {}, {}
  for header in h:iter() do names[#names + 1] = header.name end
  for header in h:iter 'x-a' do values[#values + 1] = header.raw_value end
  test.equal({ #names, names[1], values }, { 12, 'From', { '1', '2' } })
  h:append('X-Last', 'größe')
  h:prepend('X-First', 'first')
  h:remove_all_named 'X-A'
  local text = tostring(p)
  test.matches(text, '^X%-First: first\r\n')
  test.matches(text, '\r\nX%-Last: =%?UTF%-8%?')
  test.equal({ text:find('X-A', 1, true) }, {})
  test.equal({ h:get_first_named('x-last').unstructured, h:get_first_named 'nothing' }, { 'größe' })
  test.matches(tostring(h), 'X%-First: first\r\n')
end)

test('fields of a header', function()
  local h = M.parse(mail).headers
  local to = h:get_first_named 'to'
  test.equal({ to.name, to.address_list[1].name, to.value[1].name }, { 'To', 'Bob', 'Bob' })
  test.equal(h:get_first_named('From').mailbox_list[1].address.local_part, 'ann')
  test.equal(h:get_first_named('From').value[1].address.local_part, 'ann')
  test.equal(h:get_first_named('Sender').value.address.local_part, 's')
  test.equal(h:get_first_named('Message-ID').value, 'id@x.example')
  test.equal(h:get_first_named('References').value, { 'a@x.example', 'b@x.example' })
  test.equal(h:get_first_named('References').message_id_list[1], 'a@x.example')
  test.equal(h:get_first_named('Message-ID').message_id, 'id@x.example')
  test.equal(h:get_first_named('Content-Type').value.value, 'multipart/mixed')
  test.equal(h:get_first_named('Content-Type').mime_params.parameters, { boundary = 'b' })
  test.equal(h:get_first_named('Subject').value, 'Größe')
  test.equal(h:get_first_named('X-A').value, '1')
  test.raises('', function() return h:get_first_named('Subject').mailbox_list end)
  local auth = M.parse('Authentication-Results: mx.x.example; spf=pass (ok) smtp.mailfrom=a@x.example; dkim=fail reason="bad" header.d=x.example\r\n\r\n')
  local results = auth.headers:get_first_named('Authentication-Results').authentication_results
  test.equal(results, auth.headers:get_first_named('Authentication-Results').value)
  test.equal({ results.serv_id, #results.results, results.results[1].method, results.results[1].result }, { 'mx.x.example', 2, 'spf', 'pass' })
  test.equal({ results.results[2].reason, results.results[2].props['header.d'] }, { 'bad', 'x.example' })
end)

test('making parts', function()
  local text, html = M.new_text_plain 'größe', M.new_html '<p>größe</p>'
  test.equal({ text.body, html.body, text.headers:content_type().value, html.headers:content_type().value }, { 'größe', '<p>größe</p>', 'text/plain', 'text/html' })
  test.equal(M.new_text('text/calendar', 'BEGIN').headers:content_type().value, 'text/calendar')
  local binary = M.new_binary('image/png', '\x89PNG\0', { file_name = 'a.png', inline = true, content_id = 'c@x.example' })
  test.equal({ binary.body, binary.headers:content_disposition().value, binary.headers:content_id() }, { '\x89PNG\0', 'inline', 'c@x.example' })
  test.equal(M.new_binary('image/png', 'x', { file_name = 'b.png' }).headers:content_disposition().value, 'attachment')
  local all = M.new_multipart('multipart/mixed', { text, binary }, 'the-boundary')
  test.equal(all.headers:content_type().parameters.boundary, 'the-boundary')
  all:append_part(html)
  local s = M.parse(tostring(all)):get_simple_structure()
  test.equal({ s.text_part.body:gsub('%s+$', '') }, { 'größe', 0 })
  test.equal({ s.html_part ~= nil, #s.attachments, s.attachments[1].file_name, s.attachments[1].part.body }, { true, 1, 'a.png', '\x89PNG\0' })
  test.matches(tostring(all:rebuild() or all), 'the%-boundary')
end)

test('the builder', function()
  local b = M.builder()
  test.equal(b:text_plain 'plain', nil)
  b:text_html '<p>html</p>'
  b:text_amp_html '<html amp4email></html>'
  b:attach('text/csv', 'a,b', { file_name = 'a.csv' })
  b:attach_part(M.new_binary('image/png', 'png', { file_name = 'p.png' }))
  b:set_stable_content(true)
  local p = b:build()
  local s = M.parse(tostring(p)):get_simple_structure()
  test.equal({ s.text_part.body:match '%S+', s.html_part.body:match '%S+' }, { 'plain', '<p>html</p>' })
  local names = {}
  for _, attachment in ipairs(s.attachments) do names[#names + 1] = attachment.file_name end
  test.equal(names, { 'a.csv', 'p.png' })
  test.raises('', b.build, b)
end)

test('a message goes through parse_mime and set_data', function()
  local m = kumo.make_message('a@x.example', 'b@y.example', mail)
  local p = m:parse_mime()
  p.headers:set_subject 'Neu'
  test.equal(m:get_data(), mail)
  m:set_data(tostring(p))
  test.equal(m:get_first_named_header_value 'subject', 'Neu')
end)

test('results of authentication become a header', function()
  local m = kumo.make_message('a@x.example', 'b@y.example', 'X: 1\r\n\r\n')
  m:add_authentication_results('mx.x.example', {
    { method = 'dkim', method_version = 1, result = 'pass', reason = 'good signature', props = { ['header.d'] = 'x.example' } },
    { method = 'spf', result = 'none', props = {} },
  })
  local value = m:get_first_named_header_value 'Authentication-Results'
  for _, part in ipairs { '^mx%.x%.example;', 'dkim.*=pass', 'good signature', 'header%.d=x%.example', 'spf=none' } do test.matches(value, part) end
  test.raises('did you mean `result`', m.add_authentication_results, m, 'mx', { { method = 'x', reslt = 'pass', props = {} } })
end)
