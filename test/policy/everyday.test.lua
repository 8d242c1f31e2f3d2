local kumo = require 'kumo'
local test = require 'testing'

-- Names and facts that policies rely on and that no other test tells.

local function message(text, to)
  return kumo.make_message('from@example.org', to or 'To@Example.com', text or 'Subject: x\r\n\r\nx\r\n')
end

test('settings are taken', function()
  for _, name in ipairs {
    'set_smtpsrv_threads', 'set_httpinject_threads', 'set_qmaint_threads', 'set_ready_qmaint_threads',
    'set_readyq_threads', 'set_spoolin_threads', 'set_logging_threads', 'set_max_lua_context_age',
    'set_max_lua_context_use_count', 'set_max_spare_lua_contexts', 'set_memory_soft_limit', 'set_memory_low_thresh',
  } do
    kumo[name](7)
    test.raises("bad argument #1 to 'kumo." .. name, kumo[name], 'seven')
  end
  kumo.set_httpinject_recipient_rate_limit '100/s'
  kumo.set_httpinject_recipient_rate_limit(nil)
  test.raises('is no throttle', kumo.set_httpinject_recipient_rate_limit, '100 per second')
  kumo.suspend_delivery_when_spool_unhealthy(false)
  kumo.set_diagnostic_log_filter 'lua=debug'
  kumo.set_timeq_spawn_reinsertion()
  kumo.dns.set_mta_sts_enabled(false)
  kumo.dns.configure_unbound_resolver { options = { validate = true } }
  kumo.log_error('a', 1, nil, { b = 2 })
  kumo.log_warn 'w'
  test.equal(type(kumo.version), 'string')
  test.equal(kumo.version > '2025.01.01-abc', true)
  test.equal(math.type(kumo.available_parallelism()), 'integer')
end)

test('config objects are read by name, walked with pairs, and NULL where unset', function()
  local config = kumo.make_queue_config { max_age = '2 hours' }
  test.equal(config.max_age, '2h')
  test.equal(config.provider_name == nil, false)
  test.equal(kumo.serde.json_encode { x = config.provider_name }, '{"x":null}')
  local seen = 0
  for _ in pairs(config) do
    seen = seen + 1
  end
  test.equal(seen > 10, true)
  test.equal(kumo.make_queue_config(config).max_age, '2h')
end)

test('a memoized table in place of a table of options', function()
  local get = kumo.memoize(function()
    return { max_age = '3h', retry_interval = 60 }
  end, { name = 'everyday options', ttl = '1m', capacity = 1 })
  test.equal(kumo.make_queue_config(get()).max_age, '3h')
end)

test('arguments are converted at the boundary', function()
  test.raises('kumo.reject', kumo.reject, 70000, 'x')
  local ok, reject = pcall(kumo.reject, '550', 12)
  test.equal({ ok, reject.code, reject.message }, { false, 550, '12' })
  local again, same = pcall(error, reject)
  test.equal({ again, rawequal(reject, same) }, { false, true })
  test.raises('string that is not UTF-8', kumo.string.trim, '\xff')
end)

test('messages', function()
  local m = message()
  test.equal(#m:id(), 32)
  test.equal(m:queue_name(), 'example.com')
  m:set_meta('tenant', 't')
  m:set_meta('campaign', 'c')
  test.equal(m:queue_name(), 'c:t@example.com')
  m:set_meta('queue', 'other')
  test.equal(m:queue_name(), 'other')
  m:set_meta('queue', nil)
  test.equal(m:queue_name(), 'c:t@example.com')
  m:set_recipient { 'a@b.example', 'c@d.example' }
  test.equal(#m:recipient(), 2)
  test.equal(tostring(m:recipient_list()[2]), 'c@d.example')
  m:set_sender ''
  test.equal({ m:sender().user, m:sender().domain, m:sender().email }, { '', '', '' })
  test.equal(m:num_attempts(), 0)
  m:increment_num_attempts()
  test.equal(m:num_attempts(), 1)
end)

test('addresses', function()
  local m = message(nil, '"a b"@Example.com')
  local a = m:recipient()
  test.equal({ a.user, a.domain, a.email, tostring(a) }, { 'a b', 'Example.com', '"a b"@Example.com', '"a b"@Example.com' })
  m:set_recipient 'postmaster'
  test.equal({ m:recipient().user, m:recipient().domain }, { 'postmaster', '' })
end)

test('digests and encodings in every form', function()
  for _, bits in ipairs { 1, 224, 256, 384, 512 } do
    local digest = kumo.digest['hmac_sha' .. bits]({ key_data = 'k' }, 'data')
    test.equal(#digest.bytes * 2, #digest.hex)
    test.equal(#digest.bytes, bits == 1 and 20 or bits // 8)
    test.equal(digest.base64url_nopad, (digest.base64url:gsub('=', '')))
    test.equal(digest.base32_nopad, (digest.base32:gsub('=', '')))
  end
  local e = kumo.encode
  for _, name in ipairs { 'base32', 'base32hex', 'base64', 'base64url' } do
    for _, pad in ipairs { '', '_nopad' } do
      local text = e[name .. pad .. '_encode'] '\xff\xfe\0x'
      test.equal(e[name .. pad .. '_decode'](text), '\xff\xfe\0x')
      test.equal(text:find '=' ~= nil, pad == '')
    end
  end
  test.equal(kumo.string.split_ascii_whitespace ' a \t b\n', { 'a', 'b' })
end)

test('headers of every kind, read and written', function()
  local part = kumo.mimepart.new_text_plain 'hello'
  local h = part.headers
  local texts = {
    from = 'A <a@x.example>', to = 'b@x.example', cc = 'c@x.example', bcc = 'd@x.example', reply_to = 'e@x.example',
    resent_from = 'f@x.example', resent_to = 'g@x.example', resent_cc = 'h@x.example', resent_bcc = 'i@x.example',
    sender = 'j@x.example', resent_sender = 'k@x.example',
  }
  for name, text in pairs(texts) do
    h['set_' .. name](h, text)
    local value = h[name](h)
    local mailbox = value.address and value or value[1]
    test.equal(mailbox.address.local_part .. '@' .. mailbox.address.domain, text:match '[%w.]+@[%w.]+')
  end
  h:set_content_id '<one@x.example>'
  test.equal(h:content_id(), 'one@x.example')
  h:set_mime_version '1.0'
  test.equal(h:mime_version(), '1.0')
  h:set_content_disposition 'attachment; filename="a.txt"'
  test.equal(h:content_disposition().parameters.filename, 'a.txt')
  h:set_content_transfer_encoding '7bit'
  test.equal(h:content_transfer_encoding().value, '7bit')
  h:append('Subject', 'schön')
  local subject = h:get_first_named 'subject'
  test.matches(subject.raw_value, '=%?')
  test.equal(subject.unstructured, 'schön')
  test.equal(h:get_first_named('from').mailbox_list[1].name, 'A')
  h:append('Authentication-Results', 'mx.example; spf=pass')
  test.equal(h:get_first_named('authentication-results').authentication_results.serv_id, 'mx.example')
  part:rebuild()
  test.equal(part.body:match '%a+', 'hello')
end)

test('a message built with all that the builder has', function()
  local b = kumo.mimepart.builder()
  b:text_plain 'plain'
  b:text_html '<b>html</b>'
  b:text_amp_html '<html amp4email></html>'
  b:attach('text/csv', 'a,b', { file_name = 'a.csv' })
  b:attach_part(kumo.mimepart.new_binary('image/png', 'png', { content_id = 'i@x', inline = true, file_name = 'i.png' }))
  b:set_stable_content(true)
  local part = b:build()
  local structure = part:get_simple_structure()
  test.matches(structure.text_part.body, '^plain')
  -- KumoMTA too counts the part for AMP as an attachment.
  local names = {}
  for _, attachment in ipairs(structure.attachments) do
    names[#names + 1] = attachment.file_name or attachment.content_type
  end
  table.sort(names)
  test.equal(names, { 'a.csv', 'i.png', 'text/x-amp-html' })
end)

test('times in every unit', function()
  local t = kumo.time.from_unix_timestamp(1)
  test.equal(t.unix_timestamp_millis, 1000)
  test.equal(tostring(t), '1970-01-01 00:00:01 UTC')
  local d = kumo.time.parse_duration '1.5s'
  test.equal({ d.seconds, d.milliseconds, d.microseconds, d.nanoseconds }, { 1.5, 1500, 1500000, 1500000000 })
  test.equal((t + d) - t == d, true)
end)

test('metadata of paths', function(directory)
  local meta = kumo.fs.metadata_for_path(directory)
  for _, name in ipairs { 'dev', 'ino', 'mode', 'nlink', 'uid', 'gid', 'rdev', 'size', 'blksize', 'blocks' } do
    test.equal(math.type(meta[name]), 'integer')
  end
  for _, name in ipairs { 'atime', 'mtime', 'ctime' } do
    test.equal(meta[name].unix_timestamp > 1500000000, true)
  end
end)

test('throttles', function()
  local throttle = kumo.make_throttle('everyday', '10/s')
  local result = throttle:throttle()
  test.equal(type(result.throttled), 'boolean')
  test.equal(result.retry_after ~= nil, true)
  test.equal(throttle:explain(), 'lua-user-throttle-everyday: 10/s')
  test.raises("unknown period 'seconds'", kumo.make_throttle, 'x', '10/seconds')
end)
