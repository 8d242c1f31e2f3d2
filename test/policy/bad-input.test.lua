-- What comes from the network, or from a file, is data, whatever it is called and however long it is.
local kumo = require 'kumo'
local test = require 'testing'

local MEGABYTE = 1024 * 1024
local NAMES = { '__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__index', '__defineGetter__', 'then' }
local BYTES = '\xff\xfe\xc0\x80\xed\xa0\x80'

local function message(data)
  return kumo.make_message('from@x.example', 'to@y.example', data)
end

-- Calls that may refuse: what they say must be short and about what is wrong.
local function result_or_error(name, fn, ...)
  local ok, problem = pcall(fn, ...)
  if ok then
    return problem
  end
  local text = tostring(problem)
  if #text > 4000 then
    error(name .. ': an error of ' .. #text .. ' bytes: ' .. text:sub(1, 200), 2)
  end
  for _, leak in ipairs { 'Cannot read', 'is not a function', 'undefined', 'Maximum call', 'node:internal', '[object' } do
    if text:find(leak, 1, true) then
      error(name .. ': ' .. text, 2)
    end
  end
end

test('names of JavaScript are names like others: metadata and headers', function()
  local m = message ''
  for _, name in ipairs(NAMES) do
    test.equal(m:get_meta(name), nil)
    m:set_meta(name, { [name] = name })
    test.equal(m:get_meta(name), { [name] = name })
  end
  for _, name in ipairs(NAMES) do
    local mail = message(name .. ': value\r\n\r\n')
    test.equal(mail:get_first_named_header_value(name), 'value')
    local seen = {}
    for _, pair in ipairs(mail:get_all_headers()) do
      seen[pair[1]] = pair[2]
    end
    test.equal(seen, { [name] = 'value' })
    mail:import_headers { { name = name, target = name } }
    test.equal(mail:get_meta(name), 'value')
    local headers = mail:parse_mime().headers
    test.equal(headers:get_first_named(name).value, 'value')
    headers:remove_all_named(name)
    test.equal(headers:get_first_named(name), nil)
    mail:remove_all_named_headers(name)
    test.equal(mail:get_data(), '\r\n')
  end
end)

test('names of JavaScript are names like others: JSON, TOML, YAML, maps, templates', function()
  for _, name in ipairs(NAMES) do
    local value = { [name] = { [name] = 'x' } }
    test.equal(kumo.serde.json_parse(('{"%s":{"%s":"x"}}'):format(name, name)), value)
    test.equal(kumo.serde.json_parse(kumo.serde.json_encode(value)), value)
    test.equal(kumo.serde.json_parse(kumo.serde.json_encode_pretty(value)), value)
    test.equal(kumo.serde.toml_parse(('[%s]\n%s = "x"\n'):format(name, name)), value)
    test.equal(kumo.serde.toml_parse(kumo.serde.toml_encode(value)), value)
    test.equal(kumo.serde.yaml_parse(('%s:\n  %s: x\n'):format(name, name)), value)
    test.equal(kumo.serde.yaml_parse(kumo.serde.yaml_encode(value)), value)
    local map = kumo.domain_map.new { [name] = 'x' }
    test.equal(map[name], 'x')
    test.equal(map['other'], nil)
    test.equal(kumo.domain_map.new({})[name], nil)
    test.equal(kumo.string.eval_template('t', '{{ value }}', { value = name }), name)
  end
  test.equal(({}).polluted, nil)
  test.equal(kumo.serde.json_parse('{"__proto__": {"polluted": 1}}').polluted, nil)
  test.equal(kumo.serde.json_parse '{}'.polluted, nil)
end)

test('names of JavaScript are no options', function()
  for _, name in ipairs(NAMES) do
    test.raises(name, kumo.make_queue_config, { [name] = 1 })
    test.raises(name, kumo.make_egress_path, { [name] = {} })
    test.raises(name, kumo.make_listener_domain, { [name] = true })
    local m = message ''
    test.raises(name, m.set_scheduling, m, { [name] = 'x' })
  end
end)

test('memoize keys and cached tables take any name', function()
  local echo = kumo.memoize(function(name)
    return { [name] = name }
  end, { name = 'bad-input-echo', ttl = '1 minute', capacity = 100 })
  for _, name in ipairs(NAMES) do
    local value = echo(name)
    test.equal(value[name], name)
    test.equal(value.missing, nil)
  end
end)

test('bytes that are no UTF-8: kept where bytes are taken, refused where text is', function()
  local m = message('Subject: ' .. BYTES .. '\r\nX-A' .. ': ' .. BYTES .. '\r\n\r\n' .. BYTES)
  test.equal(m:get_first_named_header_value 'subject', BYTES)
  test.equal(m:get_all_headers()[2], { 'X-A', BYTES })
  local data = m:get_data()
  m:set_data(data)
  test.equal(m:get_data(), data)
  test.equal(tostring(m:parse_mime()), data)
  m:append_header('X-B', 'plain')
  test.equal(m:get_data(), (data:gsub('\r\n\r\n', '\r\nX-B: plain\r\n\r\n', 1)))
  m:import_x_headers()
  test.equal(type(m:get_meta 'x_a'), 'string')
  for _, call in ipairs {
    function() m:append_header('X', BYTES) end,
    function() m:prepend_header(BYTES, 'x') end,
    function() m:append_text_plain(BYTES) end,
    function() m:set_sender(BYTES) end,
    function() m:set_recipient(BYTES .. '@x.example') end,
    function() kumo.string.split(BYTES, 'a') end,
    function() kumo.string.trim(BYTES) end,
    function() kumo.serde.json_parse(BYTES) end,
    function() kumo.serde.toml_parse(BYTES) end,
    function() kumo.serde.yaml_parse(BYTES) end,
    function() kumo.regex.compile(BYTES) end,
    function() kumo.time.parse_rfc3339(BYTES) end,
  } do
    test.equal(pcall(call), false)
    result_or_error('bytes', call)
  end
  test.equal(kumo.encode.base64_decode(kumo.encode.base64_encode(BYTES)), BYTES)
  test.equal(kumo.encode.hex_encode(BYTES), 'fffec080eda080')
  test.equal(#kumo.digest.sha256(BYTES).bytes, 32)
  test.equal(kumo.string.starts_with(BYTES, '\xff'), true)
end)

test('a megabyte goes through text, patterns, encodings and readers', function()
  local calls = {
    split = function(s) return kumo.string.split(s, ' ') end,
    split_ws = kumo.string.split_whitespace,
    replace = function(s) return kumo.string.replace(s, 'a', 'bb') end,
    trim = kumo.string.trim,
    wrap = kumo.string.wrap,
    normalize = kumo.string.normalize_smtp_response,
    psl = kumo.string.psl_domain,
    json = kumo.serde.json_parse,
    toml = kumo.serde.toml_parse,
    yaml = kumo.serde.yaml_parse,
    json_encode = kumo.serde.json_encode,
    toml_encode = function(s) return kumo.serde.toml_encode { s = s } end,
    yaml_encode = function(s) return kumo.serde.yaml_encode { s = s } end,
    base32 = kumo.encode.base32_decode,
    base64 = kumo.encode.base64_decode,
    hex = kumo.encode.hex_decode,
    base64_encode = kumo.encode.base64_encode,
    base32_encode = kumo.encode.base32_encode,
    sha = kumo.digest.sha512,
    escape = kumo.regex.escape,
    template = function(s) return kumo.string.eval_template('bad', '{{ s }}', { s = s }) end,
    sender = function(s) return kumo.make_message(s, 'a@b.example', 'x') end,
    header = function(s) return message('Subject: ' .. s .. '\r\n\r\n'):get_first_named_header_value 'subject' end,
    address = function(s) return message('From: ' .. s .. '\r\n\r\n'):from_header() end,
    mime = function(s) return message('Content-Type: ' .. s .. '\r\n\r\n' .. s):parse_mime().body end,
    prepend = function(s) message('\r\n'):prepend_header('Subject', s, true) end,
    duration = kumo.time.parse_duration,
    rfc3339 = kumo.time.parse_rfc3339,
    rfc2822 = kumo.time.parse_rfc2822,
    uuid = kumo.uuid.parse,
  }
  local texts = {
    ('a'):rep(MEGABYTE),
    (' '):rep(MEGABYTE),
    ('a '):rep(MEGABYTE // 2),
    ('.'):rep(MEGABYTE),
    ('é'):rep(MEGABYTE // 2),
    ('=?utf-8?q?'):rep(MEGABYTE // 10),
  }
  for name, call in pairs(calls) do
    for _, text in ipairs(texts) do
      local clock = kumo.time.now()
      result_or_error(name, call, text)
      local took = kumo.time.now() - clock
      -- What is not linear takes many minutes; the machine may be busy.
      if took.seconds > 60 then
        error(('%s took %s s'):format(name, took.seconds))
      end
    end
  end
end)

test('a megabyte goes through patterns in linear time', function()
  local text = ('a'):rep(MEGABYTE // 8) .. '!'
  for _, pattern in ipairs { '(a+)+$', '(a|aa)+$', '^(a|a)*$', '(.*)(.*)(.*)x', 'a{1,50}b' } do
    test.equal(kumo.regex.compile(pattern):is_match(text), false)
  end
  test.equal(#kumo.regex.compile('a'):find_all(('a'):rep(10000)), 10000)
  test.equal(kumo.regex.compile('a+'):replace_all(text, 'b'), 'b!')
  test.equal(#kumo.regex.compile(','):split((','):rep(10000)), 10001)
  result_or_error('pattern', kumo.regex.compile, ('('):rep(100000))
  result_or_error('pattern', kumo.regex.compile, ('a{1000}'):rep(1000))
end)

test('what nests without end is refused', function()
  for _, text in ipairs { ('['):rep(100000), ('{"a":'):rep(100000), ('['):rep(100000) .. (']'):rep(100000) } do
    result_or_error('json', kumo.serde.json_parse, text)
    result_or_error('yaml', kumo.serde.yaml_parse, text)
    result_or_error('toml', kumo.serde.toml_parse, 'a = ' .. text)
  end
  local loop = {}
  loop.loop = loop
  for _, call in ipairs { kumo.serde.json_encode, kumo.serde.toml_encode, kumo.serde.yaml_encode } do
    test.equal(pcall(call, loop), false)
    result_or_error('loop', call, loop)
  end
  local m = message ''
  test.equal(pcall(m.set_meta, m, 'loop', loop), false)
  -- The billion laughs of YAML.
  local laughs = 'a: &a [x,x,x,x,x,x,x,x,x]\n'
  for at = 1, 12 do
    local before, here = string.char(96 + at), string.char(97 + at)
    laughs = laughs .. here .. ': &' .. here .. ' [' .. ('*' .. before .. ','):rep(8) .. '*' .. before .. ']\n'
  end
  test.equal(pcall(kumo.serde.yaml_parse, laughs), false)
  result_or_error('laughs', kumo.serde.yaml_parse, laughs)
end)

test('10,000 headers are read, imported, removed and added to', function()
  local lines = {}
  for at = 1, 10000 do
    lines[at] = ('X-H%d: value %d\r\n'):format(at, at)
  end
  local block = table.concat(lines)
  local m = message(block .. '\r\nbody')
  test.equal(#m:get_all_headers(), 10000)
  m:import_x_headers()
  test.equal(m:get_meta 'x_h10000', 'value 10000')
  m:import_headers { { name = 'X-H*', match = 'all', remove = true } }
  test.equal(m:get_data(), '\r\nbody')
  local parts = message(block .. '\r\nbody'):parse_mime()
  local count = 0
  for header in parts.headers:iter() do
    count = count + #header.name // #header.name
  end
  test.equal(count, 10000)
  test.raises('more than 100000 headers', function()
    message(('X: y\r\n'):rep(100001) .. '\r\n'):get_all_headers()
  end)
end)

test('setters write one header, or raise', function()
  local values = { 'a\r\nBcc: b', 'a\nBcc: b', 'a\rBcc: b', '\r\n\r\nbody', 'a\r\n', 'a\0b', '\r\n Bcc: b', 'x\r\n\tfold' }
  local names = { 'X\r\nBcc', 'X: y\r\nBcc', '', ' X', 'X ', 'X\0', 'Ü', 'X:Y' }
  local function names_of(data)
    local found = {}
    for _, pair in ipairs(message(data):get_all_headers()) do
      found[#found + 1] = pair[1]
    end
    return found
  end
  local setters = {
    function(m, n, v) m:prepend_header(n, v) end,
    function(m, n, v) m:prepend_header(n, v, true) end,
    function(m, n, v) m:append_header(n, v) end,
    function(m, n, v) m:append_header(n, v, true) end,
    function(m, n, v) local p = m:parse_mime() p.headers:append(n, v) m:set_data(tostring(p)) end,
    function(m, n, v) local p = m:parse_mime() p.headers:prepend(n, v) m:set_data(tostring(p)) end,
    function(m, n, v) local p = m:parse_mime() p.headers:set_subject(v) m:set_data(tostring(p)) end,
    function(m, n, v) local p = m:parse_mime() p.headers:set_comments(v) m:set_data(tostring(p)) end,
    function(m, n, v) local p = m:parse_mime() p.headers:set_from(v) m:set_data(tostring(p)) end,
    function(m, n, v) local p = m:parse_mime() p.headers:set_to { { name = v, address = { local_part = v, domain = 'x.example' } } } m:set_data(tostring(p)) end,
    function(m, n, v) local p = m:parse_mime() p.headers:set_message_id(v) m:set_data(tostring(p)) end,
    function(m, n, v) local p = m:parse_mime() p.headers:set_references { v } m:set_data(tostring(p)) end,
    function(m, n, v) local p = m:parse_mime() p.headers:set_content_type { value = 'text/plain', parameters = { name = v } } m:set_data(tostring(p)) end,
    function(m, n, v) local p = m:parse_mime() p.headers:set_content_type { value = v, parameters = {} } m:set_data(tostring(p)) end,
    function(m, n, v) m:add_authentication_results(v, { { method = 'dkim', result = 'pass', reason = v, props = { ['header.d'] = v } } }) end,
    function(m, n, v) m:set_data(tostring(kumo.mimepart.new_binary('text/x-a', 'x', { file_name = v, content_id = v }))) end,
    function(m, n, v) m:set_data(tostring(kumo.mimepart.new_text(v, 'x'))) end,
    function(m, n, v) m:set_data(tostring(kumo.mimepart.new_multipart('multipart/mixed', { kumo.mimepart.new_text_plain 'x' }, v))) end,
  }
  for at, set in ipairs(setters) do
    for _, value in ipairs(values) do
      local m = message 'First: 1\r\n\r\nthe body'
      local before = m:get_data()
      if pcall(set, m, 'X-New', value) then
        for _, name in ipairs(names_of(m:get_data())) do
          if name == 'Bcc' then
            error(('setter %d made a header of %q: %q'):format(at, value, m:get_data()))
          end
        end
        test.equal(m:get_data():find('\r\n\r\nbody', 1, true), nil)
        if at <= 15 then
          test.equal(m:get_data():sub(-12), '\r\n\r\nthe body')
        end
      else
        result_or_error('setter', set, m, 'X-New', value)
        test.equal(m:get_data(), before)
      end
    end
  end
  for at = 1, 6 do
    for _, name in ipairs(names) do
      local m = message 'First: 1\r\n\r\nthe body'
      test.equal(pcall(setters[at], m, name, 'v'), false)
      result_or_error('name', setters[at], m, name, 'v')
      test.equal(m:get_data(), 'First: 1\r\n\r\nthe body')
    end
  end
end)

test('objects take no strange keys and no strange receivers', function()
  local m = message 'From: a@b.example\r\n\r\n'
  for _, object in ipairs { m, m:sender(), m:from_header(), m:parse_mime(), m:parse_mime().headers } do
    for _, key in ipairs { '__proto__', 'constructor', 'prototype', 'valueOf', 1, true, BYTES, ('k'):rep(MEGABYTE) } do
      local ok, value = pcall(function() return object[key] end)
      if ok then
        test.equal(value, nil)
      else
        result_or_error('key', function() return object[key] end)
      end
      test.equal(pcall(function() object[key] = 1 end), false)
    end
  end
  for _, method in ipairs { 'get_meta', 'get_data', 'parse_mime', 'sender', 'append_header' } do
    for _, receiver in ipairs { 'text', 1, {}, m:sender(), setmetatable({}, getmetatable '') } do
      test.equal(pcall(m[method], receiver, 'a', 'b'), false)
      result_or_error(method, m[method], receiver, 'a', 'b')
    end
  end
end)

test('200 MIME parts inside each other: an error that names the limit, the message stays as it is', function()
  local function nested(levels)
    local head, tail = {}, {}
    for at = 1, levels do
      head[at] = ('Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n'):format(at, at)
      tail[levels + 1 - at] = ('\r\n--b%d--\r\n'):format(at)
    end
    return 'Subject: deep\r\n' .. table.concat(head) .. '\r\nx' .. table.concat(tail)
  end
  test.equal(tostring(message(nested(100)):parse_mime()), nested(100))
  local m = message(nested(200))
  test.raises('parts nest deeper than 100', m.parse_mime, m)
  for _, method in ipairs { 'append_text_plain', 'append_text_html' } do
    test.raises('parts nest deeper than 100', m[method], m, 'x')
  end
  for _, method in ipairs { 'parse_rfc3464', 'parse_rfc5965' } do
    result_or_error(method, m[method], m)
  end
  result_or_error('conformance', m.check_fix_conformance, m, 'MISSING_MIME_VERSION', 'MISSING_MIME_VERSION')
  test.equal(message(nested(200)):get_first_named_header_value 'subject', 'deep')
  local kept = message(nested(200))
  kept:append_header('X-A', 'b')
  test.equal(kept:get_first_named_header_value 'x-a', 'b')
end)

test('headers whose names come to the same key: the last one counts, none is lost from the message', function()
  local data = 'X-A: 1\r\nx-a: 2\r\nX_A: 3\r\nX-a: 4\r\n\r\n'
  local m = message(data)
  m:import_x_headers()
  test.equal(m:get_meta 'x_a', '4')
  test.equal(m:get_all_named_header_values 'x-A', { '1', '2', '4' })
  test.equal(m:get_data(), data)
  for _, name in ipairs { 'queue', 'tenant', 'campaign', 'routing_domain', 'received_from', '__proto__' } do
    local taken = message(('%s: evil\r\nX-%s: evil\r\n\r\n'):format(name, name))
    taken:set_meta(name, 'mine')
    taken:import_x_headers()
    test.equal(taken:get_meta(name), 'mine')
  end
end)

test('bytes that are no UTF-8 as keys are refused by name, or kept as bytes', function()
  local m = message ''
  for _, call in ipairs {
    function() m:set_meta(BYTES, 'x') end,
    function() m:get_meta(BYTES) end,
    function() m:set_meta('x', { [BYTES] = 1 }) end,
    function() kumo.serde.json_encode { [BYTES] = 1 } end,
    function() kumo.serde.yaml_encode { [BYTES] = 1 } end,
    function() kumo.serde.toml_encode { [BYTES] = 1 } end,
    function() kumo.make_queue_config { [BYTES] = 1 } end,
    function() kumo.string.eval_template('t', '{{ a }}', { [BYTES] = 1 }) end,
  } do
    test.equal(pcall(call), false)
    result_or_error('key', call)
  end
  local seen = {}
  for _, pair in ipairs(message('X-' .. BYTES .. ': a\r\nX-B: b\r\n\r\n'):get_all_headers()) do
    seen[pair[1]] = pair[2]
  end
  test.equal(seen['X-B'], 'b')
end)
