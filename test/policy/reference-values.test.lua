-- Conversion of values between Lua and the API, each rule as a policy author meets it.
local kumo = require 'kumo'
local test = require 'testing'

local encode, parse = kumo.serde.json_encode, kumo.serde.json_parse
local function message() return kumo.make_message('from@x.example', 'to@y.example', 'X-A: 1\r\nX-B: 2\r\n\r\nbody\r\n') end

test('string arguments: numbers become text, other values and broken UTF-8 are errors', function()
  test.equal(kumo.string.split(1.5, '.'), { '1', '5' })
  test.equal(kumo.string.replace(1001, 0, 'x'), '1xx1')
  test.raises('string', kumo.string.trim, true)
  test.raises('string', kumo.string.trim, {})
  test.raises('string', kumo.string.trim, nil)
  test.raises('UTF-8', kumo.string.trim, '\xff')
  test.equal(kumo.string.starts_with('\xff\xfe', 'a'), false)
end)

test('integer arguments: integral floats and numeric text pass, fractions and negative numbers do not', function()
  test.equal(kumo.string.splitn('a,b,c', 2.0, ','), { 'a', 'b,c' })
  test.equal(kumo.string.splitn('a,b,c', '2', ','), { 'a', 'b,c' })
  test.raises('', kumo.string.splitn, 'a,b,c', 2.5, ',')
  test.raises('', kumo.string.splitn, 'a,b,c', -1, ',')
  test.raises('', kumo.string.splitn, 'a,b,c', 'two', ',')
  test.raises('', kumo.string.splitn, 'a,b,c', 0 / 0, ',')
end)

test('SMTP codes are 16 bit', function()
  local function code_of(value)
    local ok, problem = pcall(kumo.reject, value, 'text')
    return ok, type(problem) ~= 'string' and problem.code
  end
  test.equal({ code_of(550.0) }, { false, 550 })
  test.equal({ code_of '550' }, { false, 550 })
  test.equal({ code_of(65535) }, { false, 65535 })
  for _, wrong in ipairs { 65536, -1, 550.5, 'x', true } do
    local ok, problem = pcall(kumo.reject, wrong, 'text')
    test.equal(ok, false)
    test.equal(tostring(problem):find('text', 1, true), nil)
  end
end)

test('boolean arguments: nil is false, any other value true', function()
  for _, yes in ipairs { 'yes', 0, {}, true } do
    local m = message()
    m:prepend_header('Subject', 'größe', yes)
    test.matches(m:get_data(), '^Subject: =%?UTF%-8%?')
  end
  for _, no in ipairs { false, 'nil' } do
    local m = message()
    if no == 'nil' then no = nil end
    m:prepend_header('Subject', 'größe', no)
    test.matches(m:get_data(), '^Subject: größe\r\n')
  end
end)

test('options are typed strictly: neither numbers nor text are converted', function()
  test.raises('smtp_port', kumo.make_egress_path, { smtp_port = '25' })
  test.raises('relay_to', kumo.make_listener_domain, { relay_to = 'true' })
  test.raises('relay_to', kumo.make_listener_domain, { relay_to = 1 })
  test.raises('name', kumo.make_egress_source, { name = 5 })
  test.raises('max_message_size', kumo.start_esmtp_listener, { max_message_size = '10' })
  test.raises('max_message_size', kumo.start_esmtp_listener, { max_message_size = 1.5 })
  test.raises('max_message_size', kumo.start_esmtp_listener, { max_message_size = -1 })
  test.raises('hostname', kumo.start_esmtp_listener, { hostname = 1 })
  test.raises('deferred_spool', kumo.start_esmtp_listener, { deferred_spool = 'yes' })
  kumo.start_esmtp_listener { listen = '127.0.0.1:0', max_message_size = 1024.0 }
end)

test('the text of an error in options has the reason, then the options as JSON', function()
  test.raises(', while processing {"relay_too":true}', kumo.make_listener_domain, { relay_too = true })
  test.raises(', while processing {"relay_to":"x"}', kumo.make_listener_domain, { relay_to = 'x' })
  test.raises('while processing {"name":"a"', kumo.configure_log_hook, { name = 'a', back_presure = 1 })
end)

test('unknown options are errors that name the nearest known one', function()
  local m = message()
  for _, case in ipairs {
    { kumo.start_esmtp_listener, { lissten = 'x' }, 'listen' },
    { kumo.start_esmtp_listener, { listen = '127.0.0.1:0', trace_headers = { received_heder = true } }, 'received_header' },
    { kumo.start_esmtp_listener, { listen = '127.0.0.1:0', peer = { ['10.0.0.0/8'] = { baner = 'x' } } }, 'banner' },
    { kumo.start_esmtp_listener, { listen = '127.0.0.1:0', enable_tsl = true }, '' },
    { kumo.start_http_listener, { trusted_host = {} }, 'trusted_hosts' },
    { kumo.make_listener_domain, { relay_too = true }, 'relay_to' },
    { kumo.make_queue_config, { retry_intervall = '1m' }, 'retry_interval' },
    { kumo.make_egress_path, { conection_limit = 1 }, 'connection_limit' },
    { kumo.make_egress_pool, { name = 'p', entires = {} }, 'entries' },
    { kumo.make_egress_pool, { name = 'p', entries = { { name = 's', wieght = 1 } } }, 'weight' },
    { kumo.make_egress_source, { name = 's', source_adress = '10.0.0.1' }, 'source_address' },
    { kumo.define_spool, { name = 'data', path = '/tmp/x', knd = 'LocalDisk' }, 'kind' },
    { kumo.configure_local_logs, { log_dri = '/tmp/x' }, 'log_dir' },
    { kumo.configure_log_hook, { name = 'typo', heders = {} }, 'headers' },
    { kumo.configure_log_hook, { name = 'typo2', per_record = { Any = { enabel = true } } }, 'enable' },
    { kumo.configure_log_disposition_hook, { name = 'typo3', per_recrd = {} }, 'per_record' },
    { kumo.counter_series.define, { name = 'typo', num_bucket = 1, bucket_size = 1 }, 'num_buckets' },
    { kumo.dns.configure_resolver, { name_server = {} }, 'name_servers' },
    { kumo.spawn_task, { event_name = 'x', arg = {} }, 'args' },
  } do
    local call, options, known = table.unpack(case)
    local ok, problem = pcall(call, options)
    test.equal({ ok, options }, { false, options })
    if not tostring(problem):find('did you mean `' .. known, 1, true) and known ~= '' then
      error(('%s: no hint at %s'):format(problem, known))
    end
  end
  test.raises('did you mean `dow`', m.set_scheduling, m, { dov = 'Mon' })
  test.raises('did you mean `reporting_mta`', kumo.generate_rfc3464_message, { include_original_message = 'No', reporting_mat = {} }, nil, {})
end)

test('some tables take unknown keys', function()
  kumo.http.build_client { nonsense = 1 }
  test.equal(kumo.secrets.load { key_data = 'x', nonsense = 1 }, 'x')
  local m = message()
  test.equal(m:check_fix_conformance('', '', { nonsense = 1 }), nil)
end)

test('list arguments read only the sequence of a table', function()
  local m = message()
  m:remove_x_headers { a = 'X-A' }
  test.equal(m:get_data(), message():get_data())
  m:import_x_headers { a = 'X-A' }
  test.equal(m:get_meta 'x_a', nil)
  m:import_x_headers { 'X-A', b = 'X-B' }
  test.equal({ m:get_meta 'x_a', m:get_meta 'x_b' }, { '1' })
end)

test('a table with names for a list in options is an error', function()
  test.raises('relay_from: expected a list', kumo.make_listener_domain, { relay_from = { a = '10.0.0.0/8' } })
  test.raises('entries: expected a list', kumo.make_egress_pool, { name = 'p', entries = { name = 's' } })
  test.equal(kumo.serde.json_encode(kumo.make_listener_domain({ relay_from = {} }).relay_from), '[]')
end)

test('durations are seconds or text, and come back as compact text', function()
  local parsed = kumo.time.parse_duration
  for text, seconds in pairs {
    ['5 minutes'] = 300.0,
    ['1h 30m'] = 5400.0,
    ['500ms'] = 0.5,
    ['1 day'] = 86400.0,
    ['2 weeks'] = 1209600.0,
    ['1min'] = 60.0,
    ['10 sec'] = 10.0,
    ['3 hours 2 minutes 1 second'] = 10921.0,
    ['1d'] = 86400.0,
    ['1hr'] = 3600.0,
    ['1h30m'] = 5400.0,
  } do
    test.equal({ text, parsed(text).seconds }, { text, seconds })
  end
  test.equal({ parsed(90).seconds, parsed(1.5).seconds, parsed(0).seconds }, { 90.0, 1.5, 0.0 })
  for _, wrong in ipairs { -1, 'x', '5 fortnights', '', {}, true } do
    test.raises('', parsed, wrong)
  end
  local function max_age(value) return kumo.make_queue_config({ max_age = value }).max_age end
  test.equal({ max_age '5 minutes', max_age(300), max_age(90), max_age '1h 30m', max_age(0.5) }, { '5m', '5m', '1m 30s', '1h 30m', '500ms' })
  test.raises('max_age', max_age, -5)
  test.raises('max_age', max_age, 'soon')
  test.raises('max_age', max_age, true)
end)

test('absent values of serialised objects are NULL: truthy, not nil, null in JSON, taken back', function()
  local NULL = kumo.make_queue_config({}).max_message_rate
  test.equal({ NULL ~= nil, type(NULL), NULL and 'truthy', encode(NULL), encode { a = NULL } }, { true, 'userdata', 'truthy', 'null', '{"a":null}' })
  test.equal(kumo.make_queue_config({ max_message_rate = NULL }).max_message_rate, NULL)
  test.equal(encode { NULL, 1 }, '[null,1]')
  local m = message()
  m:set_meta('n', NULL)
  test.equal(m:get_meta 'n', nil)
  test.equal(m:set_due(NULL), NULL)
  test.equal(m:set_due(nil), NULL)
  test.equal(m:set_scheduling(nil), NULL)
  test.equal(m:import_scheduling_header('X-Schedule', false), NULL)
  test.equal(kumo.make_throttle('null', '10/s'):throttle().retry_after, NULL)
  for _, object in ipairs { kumo.make_egress_path {}, kumo.make_listener_domain {}, kumo.invoke_get_queue_config 'a.example' } do
    test.matches(encode(object), '^{')
  end
  test.equal(kumo.make_egress_path({}).ehlo_domain, NULL)
end)

test('tables become JSON', function()
  test.equal(encode {}, '{}')
  test.equal(encode { a = {} }, '{"a":{}}')
  test.equal(encode { 1, 2, x = 3 }, '[1,2]')
  test.equal(encode { 'a', nil, 'c' }:sub(1, 4), '["a"')
  test.equal(encode(parse '[]'), '[]')
  test.equal(encode(parse '{"a":[],"b":{}}'.a), '[]')
  test.equal(encode(parse '{}'), '{}')
  test.equal({ encode '\xff\xfe', encode { k = '\xff' } }, { '[255,254]', '{"k":[255]}' })
  test.equal(encode { 0 / 0, 1 / 0, -1 / 0 }, '[null,null,null]')
  test.equal(encode { [5] = 'x' }, '{"5":"x"}')
  test.equal(parse(encode { [3] = 'x', [5] = 'y' }), { ['3'] = 'x', ['5'] = 'y' })
  test.equal(parse(encode { a = 1, b = 2, [4] = 'x' }), { a = 1, b = 2, ['4'] = 'x' })
  test.equal(encode { 'a', 'b', nil, nil, x = 1 }, '["a","b"]')
  for _, value in ipairs { print, coroutine.create(print), kumo.regex.compile 'a', message() } do
    test.raises('', encode, value)
    test.raises('', encode, { deep = { value } })
  end
  local cycle = {}
  cycle.a = cycle
  test.raises('', encode, cycle)
end)

test('metadata takes plain values only', function()
  local m = message()
  for _, value in ipairs { 'text', 5, 1.5, true, { 1, 2 }, { a = { b = 'c' } } } do
    m:set_meta('v', value)
    test.equal(m:get_meta 'v', value)
  end
  test.raises('', m.set_meta, m, 'v', m:sender())
  test.raises('', m.set_meta, m, 'v', print)
  m:set_meta('v', tostring(m:sender()))
  test.equal(m:get_meta 'v', 'from@x.example')
  m:set_meta('v', nil)
  test.equal(m:get_meta 'v', nil)
  m:set_meta('list', {})
  test.equal(m:get_meta 'list', {})
end)

test('numbers in JSON: integers are integers, others floats', function()
  test.equal({ parse '1', parse '-7', parse '0' }, { 1, -7, 0 })
  test.equal({ parse '1.0', parse '1.5', parse '1e3', parse '-0.0' }, { 1.0, 1.5, 1000.0, -0.0 })
  test.equal({ math.type(parse '1'), math.type(parse '1.0'), math.type(parse '1e3') }, { 'integer', 'float', 'float' })
  test.equal({ encode(parse '1.0'), encode(parse '1'), encode(1.0), encode(3000000000), encode(-3000000000) }, { '1', '1', '1', '3000000000', '-3000000000' })
  for _, big in ipairs { '3000000000', '9007199254740991', '-9007199254740991', '4294967296' } do
    test.equal({ math.type(parse(big)), tostring(parse(big)), encode(parse(big)) }, { 'integer', big, big })
  end
  test.equal(parse '18446744073709551615', 18446744073709551615.0)
  test.equal(encode(1700000000123), '1700000000123')
  test.equal(encode { 0.1, 1e100, 5e-324 }, '[0.1,1e+100,5e-324]')
end)

test('JSON text: comments, null in lists, unusual keys', function()
  test.equal(parse '/* a */ {"a":1, // b\n "b":2 # c\n}', { a = 1, b = 2 })
  test.equal(parse 'null', nil)
  local list = parse '[1,null,3]'
  test.equal({ list[1], list[2], list[3] }, { 1, nil, 3 })
  test.equal(parse '{"a":null}', {})
  test.equal(parse '{"__proto__":{"x":1}}'['__proto__'].x, 1)
  test.equal(parse '"\\u00e9\\ud83d\\ude00"', 'é😀')
  test.equal(parse '"http://x.example/#a"', 'http://x.example/#a')
  for _, wrong in ipairs { '', '{', '[1,]x', '{"a"}', 'nul', "'a'" } do
    test.raises('', parse, wrong)
  end
  test.equal(kumo.serde.json_encode_pretty { b = 1, a = { 1 } }, '{\n  "a": [\n    1\n  ],\n  "b": 1\n}')
end)

test('every option refuses what has no meaning for it, and takes back what it gives', function()
  for make, required in pairs {
    [kumo.make_queue_config] = {},
    [kumo.make_egress_path] = {},
    [kumo.make_listener_domain] = {},
    [kumo.make_egress_source] = { name = 's' },
    [kumo.make_egress_pool] = { name = 'p' },
  } do
    local object, count = make(required), 0
    for name, value in pairs(object) do
      local options = { name = required.name }
      options[name] = value
      test.equal(encode(make(options)), encode(object))
      options[name] = print
      test.raises(name, make, options)
      count = count + 1
    end
    test.equal(count >= 3, true)
  end
end)
