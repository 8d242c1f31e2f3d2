-- Methods of messages.
local kumo = require 'kumo'
local test = require 'testing'

local function message(data, to) return kumo.make_message('from@x.example', to or 'to@y.example', data or 'Subject: hi\r\n\r\nbody\r\n') end
local headers = 'Subject: one\r\nX-A: 1\r\nx-b: 2\r\nX-A:  3 \r\nFolded: a\r\n b\r\nEncoded: =?UTF-8?Q?Gr=C3=B6?=\r\n\r\nX-Body: x\r\n'

test('reading headers', function()
  local m = message(headers)
  test.equal({ m:get_first_named_header_value 'x-a', m:get_first_named_header_value 'folded', m:get_first_named_header_value 'ENCODED', m:get_first_named_header_value 'X-Body' }, { '1', 'a b', 'Grö' })
  test.equal(m:get_all_named_header_values 'X-a', { '1', '3' })
  test.equal(m:get_all_named_header_values 'none', {})
  local all = m:get_all_headers()
  test.equal({ #all, all[1], all[3][1] }, { 6, { 'Subject', 'one' }, 'x-b' })
end)

test('adding headers', function()
  local m = message(headers)
  m:prepend_header('X-First', 'raw value')
  m:append_header('X-Last', 'last')
  test.matches(m:get_data(), '^X%-First: raw value\r\nSubject: one\r\n')
  test.matches(m:get_data(), '\r\nX%-Last: last\r\n\r\nX%-Body: x\r\n$')
  m:prepend_header('Subject', 'größe ' .. ('lang '):rep(30), true)
  for line in m:get_data():gmatch '[^\r\n]+' do test.equal({ line, #line <= 78 }, { line, true }) end
  test.equal((m:get_first_named_header_value('subject'):gsub('%s+', ' ')), ('größe ' .. ('lang '):rep(30)):gsub('%s+$', '') .. '')
  local broken = message 'Subject: no blank line\r\n'
  test.raises('', broken.append_header, broken, 'X', 'y')
end)

test('removing headers', function()
  local m = message(headers)
  m:remove_all_named_headers 'x-A'
  test.equal(m:get_data(), 'Subject: one\r\nx-b: 2\r\nFolded: a\r\n b\r\nEncoded: =?UTF-8?Q?Gr=C3=B6?=\r\n\r\nX-Body: x\r\n')
  m = message(headers)
  m:remove_x_headers()
  test.equal(m:get_data(), 'Subject: one\r\nFolded: a\r\n b\r\nEncoded: =?UTF-8?Q?Gr=C3=B6?=\r\n\r\nX-Body: x\r\n')
  m = message(headers)
  m:remove_x_headers { 'x-b', 'subject' }
  test.equal(m:get_data(), 'X-A: 1\r\nX-A:  3 \r\nFolded: a\r\n b\r\nEncoded: =?UTF-8?Q?Gr=C3=B6?=\r\n\r\nX-Body: x\r\n')
end)

test('headers into metadata', function()
  local m = message 'X-Tenant-Id: a\r\nX-Tenant-Id: b\r\nCampaign: c\r\n\r\n'
  m:import_x_headers()
  test.equal({ m:get_meta 'x_tenant_id', m:get_meta 'campaign' }, { 'b' })
  m:import_x_headers { 'Campaign' }
  test.equal(m:get_meta 'campaign', 'c')
  m = message 'X-Tenant-Id: a\r\nX-Tenant-Id: b\r\nX-Other: o\r\nCampaign: c\r\n\r\n'
  m:import_headers {
    { name = 'X-Tenant-Id', match = 'first', target = 'tenant', remove = true },
    { name = 'X-*', transform = 'kebab_case' },
    { name = 'Campaign', match = 'all', transform = 'pascal_case' },
    { name = 'Missing', target = 'missing' },
  }
  test.equal({ m:get_meta 'tenant', m:get_meta 'x-other', m:get_meta 'Campaign', m:get_meta 'missing' }, { 'a', 'o', { 'c' } })
  test.equal(m:get_all_named_header_values 'x-tenant-id', {})
  test.raises('', m.import_headers, m, { { name = 'X-*', target = 't' } })
  test.raises('', m.import_headers, m, { { name = 'a*b*' } })
  test.raises('', m.import_headers, m, { { match = 'last' } })
  test.raises('', m.import_headers, m, { { name = 'X', match = 'some' } })
end)

test('scheduling', function()
  local m = message()
  local plan = m:set_scheduling { dow = 'Mon,Wed', tz = 'America/Phoenix', start = '09:00:00', ['end'] = '17:00:00' }
  test.equal({ plan.tz, plan.start, plan.first_attempt ~= nil, type(plan.expires) }, { 'America/Phoenix', '09:00:00', true, 'userdata' })
  test.equal(m:set_scheduling(plan).tz, 'America/Phoenix')
  test.equal(type(m:set_scheduling(nil)), 'userdata')
  m:set_scheduling { first_attempt = '2030-01-01T00:00:00Z', expires = '2031-01-01T00:00:00Z' }
  for _, wrong in ipairs {
    { dow = 'Mon' }, { dow = 'Mon', tz = 'America/Phoenix', start = '17:00:00', ['end'] = '09:00:00' }, { first_attempt = 'soon' },
    { dow = 'Mon', tz = 'No/Where', start = '09:00:00', ['end'] = '17:00:00' }, { unknown = 1 }, { dow = 'Someday', tz = 'UTC', start = '09:00:00', ['end'] = '17:00:00' },
  } do
    test.raises('', m.set_scheduling, m, wrong)
  end
  m = message 'X-Schedule: {"first_attempt":"2030-01-01T00:00:00Z"}\r\nX-Bad: {"no":1}\r\n\r\n'
  test.equal(m:import_scheduling_header('X-Schedule', false).first_attempt ~= nil, true)
  test.equal(#m:get_all_named_header_values 'X-Schedule', 1)
  m:import_scheduling_header('X-Schedule', true)
  test.equal(#m:get_all_named_header_values 'X-Schedule', 0)
  test.raises('', m.import_scheduling_header, m, 'X-Bad', false)
  test.equal(type(m:import_scheduling_header('X-None', true)), 'userdata')
  m = message()
  test.equal(m:set_due '2030-01-01T00:00:00Z', '2030-01-01T00:00:00Z')
  test.raises('', m.set_due, m, 'soon')
  test.equal(m:num_attempts(), 0)
  m:increment_num_attempts()
  test.equal(m:num_attempts(), 1)
end)

test('conformance', function()
  local m = message 'Subject: x\r\n\r\nbare\nline\r\n'
  test.equal(m:check_fix_conformance('MISSING_DATE_HEADER|NON_CANONICAL_LINE_ENDINGS', ''), 'Message has conformance issues: NON_CANONICAL_LINE_ENDINGS|MISSING_DATE_HEADER')
  test.equal(m:check_fix_conformance('', 'MISSING_DATE_HEADER|MISSING_MESSAGE_ID_HEADER|NON_CANONICAL_LINE_ENDINGS'), nil)
  test.matches(m:get_data(), 'bare\r\nline\r\n')
  test.matches(m:get_first_named_header_value 'Message-ID', '^<.+@x%.example>$')
  test.equal(m:check_fix_conformance('MISSING_DATE_HEADER|MISSING_MESSAGE_ID_HEADER', ''), nil)
  local binary = message 'Subject: x\r\n\r\ngrö\r\n'
  test.equal(binary:check_fix_conformance('NEEDS_TRANSFER_ENCODING', ''), 'Message has conformance issues: NEEDS_TRANSFER_ENCODING')
  test.equal(binary:check_fix_conformance('', 'NEEDS_TRANSFER_ENCODING'), nil)
  test.equal(binary:parse_mime().body:gsub('%s+$', ''), 'grö')
  test.equal(message('Subject : x\r\n\r\n'):check_fix_conformance('NAME_ENDS_WITH_SPACE', ''), 'Message has conformance issues: NAME_ENDS_WITH_SPACE')
  test.equal(message('Subject\r\n\r\n'):check_fix_conformance('MISSING_COLON_VALUE', ''), 'Message has conformance issues: MISSING_COLON_VALUE')
  test.equal(message('A: ' .. ('x'):rep(1200) .. '\r\n\r\n'):check_fix_conformance('LINE_TOO_LONG', ''), 'Message has conformance issues: LINE_TOO_LONG')
  test.raises('', m.check_fix_conformance, m, 'NO_SUCH_LABEL', '')
end)

test('text is appended', function()
  local plain = message 'Content-Type: text/plain\r\n\r\nhello\r\n'
  test.equal({ plain:append_text_plain 'footer', plain:append_text_html '<b>x</b>' }, { true, false })
  test.matches(plain:get_data(), 'hello.*footer')
  local html = message 'Content-Type: text/html\r\n\r\n<html><body>hi</body></html>\r\n'
  test.equal({ html:append_text_html '<b>x</b>', html:append_text_plain 'x' }, { true, false })
  test.matches(html:parse_mime().body, 'hi%s*<b>x</b></body>')
end)

test('reports that are none', function()
  test.equal({ message():parse_rfc3464(), message():parse_rfc5965() }, {})
end)

test('content is set as it is', function()
  local m = message()
  m:set_data 'any\xff\0thing'
  test.equal(m:get_data(), 'any\xff\0thing')
  m:set_data ''
  test.equal(m:get_data(), '')
end)
