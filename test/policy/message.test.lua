local kumo = require 'kumo'
local test = require 'testing'

local function message(data) return kumo.make_message('from@x.example', 'to@y.example', data) end

local function raises(pattern, call, ...)
  local ok, problem = pcall(call, ...)
  test.equal(ok, false)
  if not tostring(problem):find(pattern) then error('another error: ' .. tostring(problem), 2) end
end

test('address headers', function()
  local m = message 'From: "Lee, Ann" <"a b"@X.example>\r\nTo: a@x.example, G: B <b@x.example>;\r\nReply-To: broken\r\n\r\n'
  local from = m:from_header()
  test.equal(from.user, 'a b')
  test.equal(from.domain, 'X.example')
  test.equal(from.email, '"a b"@X.example')
  test.equal(from.name, 'Lee, Ann')
  test.equal(tostring(from.list[1]), [[{"name":"Lee, Ann","address":"\"a b\"@X.example"}]])
  local to = m:to_header()
  test.equal(#to.list, 2)
  test.equal(to.list[1].name, nil)
  test.equal(to.list[2].email, 'b@x.example')
  raises('is not a simple', function() return to.user end)
  test.equal(tostring(to), [=[[{"name":null,"address":"a@x.example"},{"name":"G","entries":[{"name":"B","address":"b@x.example"}]}]]=])
  test.equal(m:get_address_header 'cc', nil)
  raises('Reply%-To: expected', m.get_address_header, m, 'reply-to')
end)

test('headers become metadata', function()
  local m = message 'X-Tenant-Id: a\r\nx-tenant-id: b\r\nX-Camp: c\r\nOther: d\r\nX-Camp: e\r\n\r\nbody'
  m:import_headers {
    { name = 'X-Tenant-Id', match = 'first', target = 'tenant', remove = true },
    { name = 'X-*', match = 'all', transform = 'camel_case' },
    { name = 'Other', transform = 'pascal_case' },
    { name = 'Missing' },
  }
  test.equal(m:get_meta 'tenant', 'a')
  test.equal(m:get_meta 'xCamp', { 'c', 'e' })
  test.equal(m:get_meta 'Other', 'd')
  test.equal(m:get_meta 'missing', nil)
  test.equal(m:get_data(), 'X-Camp: c\r\nOther: d\r\nX-Camp: e\r\n\r\nbody')
  m:import_headers { { name = 'X-Camp', transform = 'kebab_case' } }
  test.equal(m:get_meta 'x-camp', 'e')
  raises('target', m.import_headers, m, { { name = 'X-*', target = 'a' } })
  raises('did you mean `remove`', m.import_headers, m, { { name = 'X', remov = true } })
end)

test('hostile header names are only data', function()
  local m = message '__proto__: polluted\r\nconstructor: x\r\nX-__proto__: y\r\n\r\n'
  m:import_x_headers { '__proto__', 'constructor' }
  m:import_headers { { name = '__proto__', target = 'copy' } }
  test.equal(m:get_meta '__proto__', 'polluted')
  test.equal(m:get_meta 'copy', 'polluted')
  test.equal(m:get_meta 'toString', nil)
  local many = message(('X-H: v\r\n'):rep(10000) .. '\r\n')
  many:import_x_headers()
  test.equal(many:get_meta 'x_h', 'v')
  test.equal(#many:get_all_named_header_values 'x-h', 10000)
end)

test('scheduling', function()
  local m = message 'X-Schedule: {"first_attempt":"2100-01-01T00:00:00Z"}\r\n\r\n'
  local given = { dow = 'Mon,Tue', tz = 'Europe/Berlin', start = '09:00:00', ['end'] = '17:00:00' }
  -- What is not set is NULL.
  local NULL = m:set_scheduling(nil)
  local kept = m:set_scheduling(given)
  given.first_attempt, given.expires = NULL, NULL
  test.equal(kept, given)
  test.equal(m:set_due '2026-11-22T12:00:00Z', '2026-11-22T12:00:00Z')
  test.equal(m:import_scheduling_header('X-Schedule', true).first_attempt, '2100-01-01T00:00:00Z')
  test.equal(m:get_data(), '\r\n')
  -- NULL is neither nil nor false.
  test.equal(m:import_scheduling_header('X-Schedule', true) ~= nil, true)
  test.equal(m:set_scheduling(nil) ~= nil, true)
  raises('did you mean `tz`', m.set_scheduling, m, { tzz = 'UTC' })
  raises('together', m.set_scheduling, m, { tz = 'UTC' })
  m:append_header('X-Schedule', 'no json')
  raises('X%-Schedule', m.import_scheduling_header, m, 'X-Schedule', false)
  raises('no time such as', m.set_due, m, 'tomorrow')
end)

test('conformance', function()
  local m = message 'Subject: grüße\n\nbödy\n'
  test.equal(
    m:check_fix_conformance('NEEDS_TRANSFER_ENCODING|LINE_TOO_LONG|NON_CANONICAL_LINE_ENDINGS', ''),
    'Message has conformance issues: NON_CANONICAL_LINE_ENDINGS|NEEDS_TRANSFER_ENCODING'
  )
  local all = 'MISSING_DATE_HEADER|MISSING_MESSAGE_ID_HEADER|MISSING_MIME_VERSION|NEEDS_TRANSFER_ENCODING|NON_CANONICAL_LINE_ENDINGS'
  test.equal(m:check_fix_conformance(all, all, { message_id = 'my@id' }), nil)
  test.equal(m:check_fix_conformance(all, ''), nil)
  test.equal(m:get_first_named_header_value 'message-id', '<my@id>')
  test.equal(m:get_first_named_header_value 'subject', 'grüße')
  test.equal(m:parse_mime().body, 'bödy\r\n')
  raises("unknown label 'BOGUS'", m.check_fix_conformance, m, 'BOGUS', '')
  local plain = message 'A: b\r\n\r\n'
  plain:check_fix_conformance('', 'MISSING_MESSAGE_ID_HEADER')
  test.equal(plain:get_first_named_header_value 'message-id', '<' .. plain:id() .. '@x.example>')
  local guessed = message '\r\n\xe4\xe2\xe0'
  guessed:check_fix_conformance('', 'NEEDS_TRANSFER_ENCODING', { detect_encoding = true, include_encodings = { 'windows-1251' } })
  test.equal(guessed:parse_mime().body, 'два')
end)

test('what is beyond the caps is told, and the message stays', function()
  local nested = ''
  for n = 1, 200 do
    nested = nested .. 'Content-Type: multipart/mixed; boundary=b' .. n .. '\r\n\r\n--b' .. n .. '\r\n'
  end
  local m = message(nested)
  test.equal(m:check_fix_conformance('', 'LINE_TOO_LONG'), 'parts nest deeper than 100')
  raises('nest deeper', m.append_text_plain, m, 'x')
  raises('nest deeper', m.parse_mime, m)
  raises('nest deeper', m.parse_rfc3464, m)
  test.equal(m:get_data(), nested)
  test.equal(m:get_first_named_header_value('content-type'), 'multipart/mixed; boundary=b1')
  local many = message(('X-H: v\r\n'):rep(10001) .. '\r\n')
  raises('more than 10000 headers', many.parse_mime, many)
  local bytes = message('To: \xff <a@x.example>\r\nSubject: \xff\r\n\r\n')
  test.equal(bytes:to_header().email, 'a@x.example')
  test.equal(bytes:get_first_named_header_value 'subject', '\xff')
end)

test('text is appended', function()
  local m = message 'Content-Type: text/html\r\n\r\n<body>hi</body>'
  test.equal(m:append_text_plain 'x', false)
  test.equal(m:append_text_html '<p>ü</p>', true)
  test.equal(m:parse_mime().body, '<body>hi\r\n<p>ü</p></body>')
  local plain = message 'A: b\r\n\r\nhi'
  test.equal(plain:append_text_plain 'x', true)
  test.equal(plain:get_data(), 'A: b\r\n\r\nhi\r\nx')
end)

test('a message goes through parse_mime and set_data', function()
  local data = 'A: b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n'
  local m = message(data)
  m:set_data(tostring(m:parse_mime()))
  test.equal(m:get_data(), data)
end)

test('authentication results', function()
  local m = message 'A: b\r\n\r\n'
  m:add_authentication_results('mx.example', {
    { method = 'dkim', result = 'pass', reason = 'all is well', props = { ['header.d'] = 'x.example' } },
  })
  test.equal(
    m:get_data(),
    'Authentication-Results: mx.example;\r\n\tdkim=pass\r\n\treason="all is well"\r\n\theader.d=x.example\r\nA: b\r\n\r\n'
  )
  raises('did you mean `method`', m.add_authentication_results, m, 'mx', { { metod = 'a', result = 'b' } })
end)

local RECORD = {
  type = 'Bounce', id = 'abc', sender = 'from@x.example', recipient = 'to@y.example', timestamp = 1700000000,
  created = 1600000000, delivery_protocol = 'ESMTP', peer_address = { name = 'mx.y.example', addr = '192.0.2.1' },
  response = { code = 550, enhanced_code = { class = 5, subject = 1, detail = 1 }, content = 'no such user' },
}

test('a delivery status notification is made and read', function()
  local params = {
    enable_bounce = true, include_original_message = 'FullContent', stable_content = true,
    reporting_mta = { mta_type = 'dns', name = 'mta.example' },
  }
  local m = message 'Subject: x\r\n\r\nbody'
  local dsn = kumo.generate_rfc3464_message(params, m, RECORD)
  test.equal(dsn:sender().email, '')
  test.equal(dsn:recipient().email, 'from@x.example')
  test.equal(dsn:get_data(), kumo.generate_rfc3464_message(params, m, RECORD):get_data())
  local report = dsn:parse_rfc3464()
  test.equal(report.per_message.reporting_mta, { mta_type = 'dns', name = 'mta.example' })
  test.equal(report.per_message.arrival_date, '2020-09-13T12:26:40Z')
  test.equal(report.per_message.dsn_gateway, nil)
  local one = report.per_recipient[1]
  test.equal(one.final_recipient, { recipient_type = 'rfc822', recipient = 'to@y.example' })
  test.equal(one.status, { class = 5, subject = 1, detail = 1 })
  test.equal(one.diagnostic_code.diagnostic, '550 5.1.1 no such user')
  test.equal(report.original_message, 'Subject: x\r\n\r\nbody')
  test.equal(m:parse_rfc3464(), nil)

  params.enable_bounce = false
  test.equal(kumo.generate_rfc3464_message(params, m, RECORD), nil)
  params.enable_bounce = true
  RECORD.sender = ''
  test.equal(kumo.generate_rfc3464_message(params, m, RECORD), nil)
  RECORD.sender = 'from@x.example'
  RECORD.delivery_protocol = 'Maildir'
  test.equal(kumo.generate_rfc3464_message(params, nil, RECORD), nil)
  raises('no log record', kumo.generate_rfc3464_message, params, nil, {})
  raises('unknown field', kumo.generate_rfc3464_message, { enable_bounces = true }, nil, RECORD)
end)

test('the trace header comes back in a feedback report', function()
  local m = message 'A: b\r\n\r\n'
  m:set_meta('campaign', 'spring')
  kumo.apply_supplemental_trace_header(m, { include_meta_names = { 'campaign' } })
  local headers = m:get_data():match '^(.-)A: b'
  test.equal(headers:match '^X%-KumoRef: ' ~= nil, true)
  local report = message(
    'Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n'
      .. 'Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: X\r\nVersion: 1\r\n\r\n--b\r\n'
      .. 'Content-Type: message/rfc822\r\n\r\n' .. m:get_data() .. '\r\n--b--\r\n'
  ):parse_rfc5965()
  test.equal(report.feedback_type, 'abuse')
  test.equal(report.incidents, nil)
  test.equal(report.supplemental_trace, { campaign = 'spring', recipient = 'to@y.example' })
  test.equal(m:parse_rfc5965(), nil)
end)

test('spool control before the message is in the spool', function()
  local m = message 'A: b\r\n\r\n'
  m:save()
  m:set_force_sync(true)
  test.equal(m:shrink(), false)
  test.equal(m:shrink_data(), false)
  test.equal(m:get_data(), 'A: b\r\n\r\n')
end)
