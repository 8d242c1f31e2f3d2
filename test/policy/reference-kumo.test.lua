-- The functions of kumo itself.
local kumo = require 'kumo'
local test = require 'testing'

local function message(data) return kumo.make_message('from@x.example', 'To@Y.example', data or 'Subject: hi\r\n\r\nbody\r\n') end

test('config objects: indexing, pairs and length over what is set and what is not', function()
  for _, made in ipairs {
    { kumo.make_queue_config { max_age = '1 hour', max_message_rate = '100/s' }, 'max_age', '1h', 'max_message_rate' },
    { kumo.make_egress_path { connection_limit = 5, max_deliveries_per_connection = 7 }, 'max_deliveries_per_connection', 7, 'ehlo_domain' },
    { kumo.make_listener_domain { relay_to = true }, 'relay_to', true, 'log_oob' },
  } do
    local object, key, value, other = table.unpack(made)
    test.equal({ type(object), object[key], object.no_such_option }, { 'userdata', value, nil })
    test.equal(object[other] ~= nil, true)
    local count, found = 0, nil
    for name, v in pairs(object) do
      count = count + 1
      if name == key then found = v end
    end
    test.equal({ found, #object > 0 or count > 3 }, { value, true })
    test.raises('', function() object[key] = nil end)
  end
end)

test('config objects are options and JSON again', function()
  local q = kumo.make_queue_config { max_age = '1 hour', egress_pool = 'p' }
  test.equal(kumo.make_queue_config(q).max_age, '1h')
  local back = kumo.serde.json_parse(kumo.serde.json_encode(q))
  test.equal({ back.max_age, back.egress_pool }, { '1h', 'p' })
  test.equal(kumo.make_queue_config(back).egress_pool, 'p')
  local p = kumo.make_egress_path { enable_tls = 'Required', connection_limit = 3 }
  test.equal(kumo.make_egress_path(kumo.serde.json_parse(kumo.serde.json_encode(p))).enable_tls, 'Required')
end)

test('required options', function()
  test.raises('name', kumo.make_egress_pool, { entries = {} })
  test.raises('name', kumo.make_egress_source, {})
  test.raises('name', kumo.configure_log_hook, {})
  test.raises('name', kumo.define_spool, { path = '/tmp/x' })
  test.raises('path', kumo.define_spool, { name = 'data' })
  test.raises('log_dir', kumo.configure_local_logs, {})
  test.raises('', kumo.make_queue_config)
  test.raises('', kumo.make_queue_config, 'x')
  test.raises('', kumo.start_esmtp_listener)
end)

test('log hooks: a name is taken once', function()
  kumo.configure_log_hook { name = 'reference hook', back_pressure = 10, meta = { 'a*' }, headers = { 'Subject' },
    deferred_spool = true, per_record = { Any = { enable = true }, Delivery = { template = 'x', suffix = '_d' } } }
  test.raises('reference hook', kumo.configure_log_hook, { name = 'reference hook' })
  kumo.configure_log_disposition_hook { name = 'reference disposition', per_record = { Bounce = { enable = false } } }
  test.raises('', kumo.configure_log_hook, { name = 'x', per_record = { NoSuchType = { enable = true } } })
end)

test('throttle specifications', function()
  for _, good in ipairs {
    '10/s', '10/sec', '10/second', '1,000/m', '1_000/min', '5/minute', '5/h', '5/hr', '5/hour', '5/d', '5/day',
    'local:10/s', '10/s,max_burst=5', '100/5m', 'local:1,000/2hour,max_burst=10',
  } do
    local verdict = kumo.make_throttle('reference', good):throttle()
    test.equal({ good, verdict.throttled }, { good, false })
  end
  for _, bad in ipairs { '0/s', '10/seconds', '10', '10/fortnight', '/s', '-1/s', '1.5/s', '', '10/s,burst=5', '10/0s' } do
    local ok = pcall(kumo.make_throttle, 'reference', bad)
    test.equal({ bad, ok }, { bad, false })
  end
end)

test('throttle results', function()
  local r = kumo.make_throttle('reference results', '10/s'):throttle()
  test.equal({ r.throttled, math.type(r.limit), math.type(r.remaining) }, { false, 'integer', 'integer' })
  test.equal({ math.type(r.reset_after.secs), math.type(r.reset_after.nanos) }, { 'integer', 'integer' })
  test.equal({ r.retry_after ~= nil, type(r.retry_after), kumo.serde.json_encode(r.retry_after) }, { true, 'userdata', 'null' })
  test.equal(kumo.make_throttle('reference results', '10/s'):delay_message_if_throttled(message()), false)
  test.equal(kumo.make_throttle('reference results', '10/s'):sleep_if_throttled(), false)
end)

test('the log takes any values', function()
  for _, level in ipairs { 'error', 'warn', 'info', 'debug' } do
    kumo['log_' .. level]('text', 1, 1.5, nil, true, { 1 }, message(), '\xff')
    kumo['log_' .. level]()
  end
end)

test('spawn_task: args is required and a list', function()
  test.raises('args', kumo.spawn_task, { event_name = 'reference task' })
  test.raises('event_name', kumo.spawn_task, { args = {} })
  test.raises('', kumo.spawn_task, { event_name = 'reference task', args = 'x' })
end)

kumo.on('reference task', function(...)
  local n, args = select('#', ...), ...
  kumo.mpsc.define('reference task'):send { n = n, first = args[1], second = args[2], count = #args }
end)

test('a task gets its list as one argument', function()
  kumo.spawn_task { event_name = 'reference task', args = { 'a', { b = 1 } } }
  local got = kumo.mpsc.define('reference task'):recv()
  test.equal({ got.n, got.first, got.second.b, got.count }, { 1, 'a', 1, 2 })
end)

test('plain facts', function()
  test.equal(math.type(kumo.available_parallelism()), 'integer')
  test.matches(kumo.version, '^%d%d%d%d%.%d%d%.%d%d%-%x+$')
  for _, name in ipairs { 'hard_limit', 'soft_limit', 'low_thresh' } do
    local value = kumo['get_memory_' .. name]()
    test.equal(value == nil or math.type(value) == 'integer', true)
  end
end)

test('pool sizes and limits are accepted', function()
  for _, name in ipairs { 'smtpsrv', 'httpinject', 'qmaint', 'ready_qmaint', 'readyq', 'spoolin', 'logging' } do
    kumo['set_' .. name .. '_threads'](4)
    test.raises('', kumo['set_' .. name .. '_threads'], 'many')
  end
  kumo.set_httpinject_recipient_rate_limit '100/s'
  kumo.set_httpinject_recipient_rate_limit(nil)
  test.raises('', kumo.set_httpinject_recipient_rate_limit, 'much')
  kumo.set_memory_hard_limit(3 * 1024 * 1024 * 1024)
  kumo.set_memory_soft_limit(2 * 1024 * 1024 * 1024)
  kumo.set_memory_low_thresh(1024 * 1024 * 1024)
  test.equal({ kumo.get_memory_hard_limit(), kumo.get_memory_soft_limit() }, { 3221225472, 2147483648 })
  for _, name in ipairs { 'dkim_signer_cache', 'dkim_key_cache', 'dns_resolver_mx', 'http_server_auth', 'smtp_server_tls_config' } do
    kumo.set_lruttl_cache_capacity(name, 100)
  end
  test.raises('no_such_cache', kumo.set_lruttl_cache_capacity, 'no_such_cache', 1)
  kumo.set_max_lua_context_age(300)
  kumo.set_max_lua_context_use_count(1024)
  kumo.set_max_spare_lua_contexts(8192)
  kumo.set_lua_gc_on_put(0)
  kumo.suspend_delivery_when_spool_unhealthy(true)
  kumo.set_diagnostic_log_filter 'lua=debug'
  kumo.set_config_monitor_globs { '/tmp/reference-none/*.lua' }
  test.equal(kumo.eval_config_monitor_globs(), {})
  kumo.set_timeq_spawn_reinsertion(true)
  kumo.enable_memory_callstack_tracking(false)
end)

test('make_message: one recipient, no metadata', function()
  local m = message 'Subject: a\r\n\r\n\xff\0'
  test.equal({ m:sender().email, m:recipient().email, #m:recipient_list() }, { 'from@x.example', 'To@Y.example', 1 })
  test.equal(m:get_data(), 'Subject: a\r\n\r\n\xff\0')
  test.equal({ m:get_meta 'tenant', m:get_meta 'received_from' }, {})
  test.matches(m:id(), '^%x+$')
  test.equal(#m:id(), 32)
  test.equal(kumo.make_message('', 'b@y.example', 'X: 1\r\n\r\n'):sender().email, '')
  test.raises('', kumo.make_message, 'not an address@@', 'b@y.example', '')
end)

test('queue names', function()
  local m = message()
  test.equal(m:queue_name(), 'y.example')
  m:set_meta('tenant', 't')
  test.equal(m:queue_name(), 't@y.example')
  m:set_meta('campaign', 'c')
  test.equal(m:queue_name(), 'c:t@y.example')
  m:set_meta('routing_domain', 'Route.example')
  test.equal(m:queue_name(), 'c:t@y.example!Route.example')
  m:set_meta('tenant', nil)
  test.equal(m:queue_name(), 'c:@y.example!Route.example')
  m:set_meta('queue', 'My@Queue')
  test.equal(m:queue_name(), 'My@Queue')
  m:set_meta('queue', nil)
  m:set_meta('tenant', 5)
  test.raises("expected 'tenant' to be a string value", m.queue_name, m)
end)

test('inject_message takes the message', function()
  kumo.inject_message(message())
  kumo.inject_message(message(), true)
  test.raises('', kumo.inject_message, 'x')
  test.raises('', kumo.inject_message)
end)

test('supplemental trace header', function()
  local m = message()
  m:set_meta('tenant', 'acme')
  m:set_meta('other', 'hidden')
  kumo.apply_supplemental_trace_header(m, { include_meta_names = { 'tenant' }, header_name = 'X-Trace' })
  local value = m:get_first_named_header_value 'X-Trace'
  local decoded = kumo.encode.base64_decode((value:gsub('%s', '')))
  local ref = kumo.serde.json_parse(decoded)
  test.equal({ ref['_@_'], ref.recipient, ref.tenant, ref.other }, { '\\_/', 'To@Y.example', 'acme' })
  local n = message()
  kumo.apply_supplemental_trace_header(n)
  test.matches(n:get_data(), '^X%-KumoRef: ')
  n = message()
  n:set_recipient { 'a@x.example', 'b@x.example' }
  kumo.apply_supplemental_trace_header(n, {})
  value = n:get_first_named_header_value 'X-KumoRef'
  test.equal(kumo.serde.json_parse(kumo.encode.base64_decode((value:gsub('%s', '')))).recipient, { 'a@x.example', 'b@x.example' })
  for line in n:get_data():gmatch '[^\r\n]+' do test.equal({ line, #line:gsub('^X%-KumoRef: ', '') <= 76 }, { line, true }) end
  test.raises('did you mean `header_name`', kumo.apply_supplemental_trace_header, message(), { header_nam = 'x' })
end)

test('configurations by their events, or their defaults', function()
  local path = kumo.invoke_get_egress_path_config('y.example', 'unspecified', 'site')
  test.equal({ type(path), path.smtp_port, path.openssl_options, path.rustls_cipher_suites }, { 'table', 25 })
  local queue = kumo.invoke_get_queue_config 'y.example'
  test.equal({ type(queue), queue.egress_pool, queue.retry_interval, type(queue.max_message_rate) }, { 'table', 'unspecified', '20m', 'userdata' })
  local pool = kumo.invoke_get_egress_pool()
  test.equal({ pool.name, #pool.entries, pool.entries[1].name }, { 'unspecified', 1, 'unspecified' })
  test.equal(kumo.invoke_get_egress_pool(nil).name, 'unspecified')
  test.equal(kumo.invoke_get_egress_source('unspecified').name, 'unspecified')
end)

test('configurations as text', function()
  local toml = kumo.format_queue_config_toml(kumo.make_queue_config { egress_pool = 'p' })
  test.equal(kumo.serde.toml_parse(toml).egress_pool, 'p')
  toml = kumo.format_egress_path_config_toml(kumo.make_egress_path { connection_limit = 5 })
  test.equal(type(kumo.serde.toml_parse(toml)), 'table')
end)

test('names of before', function(directory)
  test.equal({ kumo.json_encode { 1 }, kumo.json_parse('[1]')[1], kumo.toml_parse('a = 1').a }, { '[1]', 1, 1 })
  test.matches(kumo.toml_encode { a = 1 }, 'a = 1')
  test.matches(kumo.json_encode_pretty { a = 1 }, '"a": 1')
  test.matches(kumo.toml_encode_pretty { a = 1 }, 'a = 1')
  local file = io.open(directory .. '/a.json', 'w')
  file:write '{"a":1}'
  file:close()
  test.equal(kumo.json_load(directory .. '/a.json').a, 1)
  test.equal({ #kumo.read_dir(directory), #kumo.glob(directory .. '/*.json'), #kumo.uncached_glob(directory .. '/*') }, { 1, 1, 1 })
  test.raises('', kumo.toml_load, directory .. '/none.toml')
  kumo.sleep(0.001)
end)

local function record(more)
  local r = {
    type = 'Bounce', id = ('ab'):rep(16), sender = 'from@x.example', recipient = 'to@y.example', queue = 'y.example',
    site = 'site', size = 100, response = { code = 550, enhanced_code = { class = 5, subject = 1, detail = 1 }, content = 'no such user' },
    peer_address = { name = 'mx.y.example', addr = '192.0.2.1:25' }, timestamp = 1700000000, created = 1700000000, num_attempts = 1,
    egress_pool = 'p', egress_source = 's', bounce_classification = 'Uncategorized', meta = {}, headers = {},
    delivery_protocol = 'ESMTP', reception_protocol = 'ESMTP', nodeid = '00000000-0000-0000-0000-000000000000',
  }
  for k, v in pairs(more or {}) do r[k] = v end
  return r
end

test('a report of a record, when its kind is enabled', function()
  local params = { include_original_message = 'HeadersOnly', enable_bounce = true, reporting_mta = { mta_type = 'dns', name = 'mta.example' }, stable_content = true }
  local m = kumo.generate_rfc3464_message(params, message(), record())
  test.equal({ m:sender().email, m:recipient().email }, { '', 'from@x.example' })
  local report = m:parse_rfc3464()
  test.equal({ report.per_message.reporting_mta.mta_type, report.per_message.reporting_mta.name }, { 'dns', 'mta.example' })
  local r = report.per_recipient[1]
  test.equal({ r.action, r.final_recipient.recipient, r.status.class }, { 'failed', 'to@y.example', 5 })
  test.matches(m:get_data(), 'Subject: hi')
  test.equal(kumo.generate_rfc3464_message({ include_original_message = 'No', reporting_mta = params.reporting_mta }, message(), record()), nil)
  test.equal(kumo.generate_rfc3464_message(params, nil, record { type = 'Delivery' }), nil)
  test.equal(kumo.generate_rfc3464_message(params, nil, record { type = 'Expiration' }), nil)
  test.equal(kumo.generate_rfc3464_message(params, nil, record { reception_protocol = 'LogRecord' }), nil)
  params.enable_expiration = true
  test.equal(kumo.generate_rfc3464_message(params, nil, record { type = 'Expiration' }) ~= nil, true)
end)

test('who calls and who registered', function()
  test.equal(#kumo.get_event_registrars 'reference task', 1)
  test.equal(kumo.get_event_registrars 'nobody registered this', {})
  test.equal(type(kumo.traceback(1)), 'table')
end)
