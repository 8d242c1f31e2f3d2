local kumo = require 'kumo'
local test = require 'testing'

local NULL = kumo.make_egress_path({}).max_message_rate

kumo.on('pre_init', function()
  kumo.set_memory_hard_limit(1000000)
end)

kumo.on('get_queue_config', function(domain, tenant, campaign, routing)
  if domain == 'broken.example' then
    error 'no idea'
  end
  return kumo.make_queue_config {
    egress_pool = table.concat({ domain, tostring(tenant), tostring(campaign), tostring(routing) }, ' '),
    max_message_rate = '100/s',
    retry_interval = '10m',
  }
end)

kumo.on('get_egress_path_config', function(domain, source, site)
  return kumo.make_egress_path {
    provider_name = table.concat({ domain, source, site }, ' '),
    connection_limit = 20,
    additional_connection_limits = { shared = 10 },
    max_message_rate = '500/s',
    additional_message_rate_throttles = { pooled = '400/s' },
    max_connection_rate = '60/min',
    max_deliveries_per_connection = 50,
    openssl_options = 'NO_TICKET',
  }
end)

kumo.on('get_egress_pool', function(name)
  if name == 'again' then
    kumo.invoke_get_egress_pool 'again'
  end
  return kumo.make_egress_pool { name = name, entries = { { name = 'ip-1', weight = 3 } } }
end)

test('invoke_get_queue_config', function()
  local config = kumo.invoke_get_queue_config 'camp:ten@example.com!via.example'
  test.equal(config.egress_pool, 'example.com ten camp via.example')
  test.equal(config.max_retry_interval, NULL)
  test.equal(config.retry_interval, '10m')
  test.equal(kumo.invoke_get_queue_config('null').egress_pool, 'unspecified')
  test.raises('get_queue_config: ', kumo.invoke_get_queue_config, 'broken.example')
  test.raises('no idea', kumo.invoke_get_queue_config, 'broken.example')
end)

test('invoke_get_egress_path_config, _pool and _source', function()
  local path = kumo.invoke_get_egress_path_config('example.com', 'ip-1', 'mx.example.com')
  test.equal(path.provider_name, 'example.com ip-1 mx.example.com')
  test.equal(path.openssl_options, nil)
  test.equal(path.ehlo_domain, NULL)
  test.equal(kumo.invoke_get_egress_pool('mine').entries, { { name = 'ip-1', weight = 3 } })
  test.equal(kumo.invoke_get_egress_pool().entries[1].name, 'unspecified')
  test.equal(kumo.invoke_get_egress_source('unspecified').name, 'unspecified')
  test.raises('Event get_egress_source has not been registered', kumo.invoke_get_egress_source, 'ip-1')
  -- What comes out goes in again, as does the object itself.
  test.equal(kumo.make_egress_path(path).provider_name, path.provider_name)
  test.equal(kumo.make_egress_path(kumo.make_egress_path(path)).provider_name, path.provider_name)
end)

test('an event that looks itself up without end is stopped', function()
  test.raises('deep', kumo.invoke_get_egress_pool, 'again')
end)

test('constraints', function()
  local path = kumo.invoke_get_egress_path_config('example.com', 'ip-1', 'mx.example.com')
  local c = kumo.compute_egress_path_config_constraints(path)
  test.equal(c.max_concurrent_dispatchers, {
    value = 10,
    source = { kind = 'additional', name = 'shared' },
    display = '10',
  })
  test.equal({ c.max_message_rate.value, c.max_message_rate.source.kind }, { 50, 'reconnect_cycling' })
  test.equal(c.max_message_rate_declared, '400/s')
  test.equal(c.max_connection_rate.source, { kind = 'primary' })
  test.equal(c.max_connection_rate.value, 1)
  test.equal(c.max_source_selection_rate, NULL)

  local queue = kumo.compute_queue_config_constraints(kumo.invoke_get_queue_config 'example.com')
  test.equal(queue.max_message_rate.value, 100)
  test.equal(queue.max_message_rate.source, { kind = 'other', name = 'scheduled queue max_message_rate' })
  local plain = kumo.make_egress_path { max_message_rate = '500/s' }
  test.equal(kumo.compute_egress_path_config_constraints(plain, queue).max_message_rate.value, 100)
  test.equal(kumo.compute_egress_path_config_constraints(plain).max_message_rate.value, 500)
  test.equal(kumo.compute_egress_path_config_constraints(plain).max_message_rate_declared, NULL)
  test.matches(kumo.format_egress_path_config_constraints(c), 'Messages: 50 x 60/m %(max_deliveries_per_connection%)\n')
  test.matches(kumo.format_egress_path_config_constraints(c), '10 %(additional_connection_limits%.shared%)')
end)

test('configurations as TOML and JSON', function()
  local config = kumo.make_queue_config { retry_interval = '10m' }
  local toml = kumo.format_queue_config_toml(config)
  test.matches(toml, 'retry_interval = "10m"')
  test.equal(toml:find('max_retry_interval', 1, true), nil)
  test.equal(kumo.serde.toml_parse(toml).retry_interval, '10m')
  test.matches(kumo.format_egress_path_config_toml(kumo.make_egress_path {}), 'enable_tls = "Opportunistic"')
  test.equal(kumo.serde.json_parse(kumo.serde.json_encode(config)).retry_interval, '10m')
end)

test('memory limits that were set, and those that follow', function()
  test.equal(kumo.get_memory_hard_limit(), 1000000)
  test.equal(kumo.get_memory_soft_limit(), 750000)
  test.equal(kumo.get_memory_low_thresh(), 600000)
end)

test('who is calling and who registered', function()
  local frames = kumo.traceback(0)
  test.equal({ frames[1].currentline, frames[1].short_src:match '[^/]*$' }, { 111, 'kumo.lookups.test.lua' })
  local registrars = kumo.get_event_registrars 'get_egress_pool'
  test.equal({ #registrars, registrars[1][1].currentline }, { 1, 34 })
  test.equal(kumo.get_event_registrars 'nobody', {})
end)

test('caches by their names', function()
  kumo.set_lruttl_cache_capacity('dns_resolver_mx', 10)
  test.raises("did you mean 'dkim_key_cache'?", kumo.set_lruttl_cache_capacity, 'dkim_key_cahce', 10)
  kumo.set_lua_gc_on_put(10)
  kumo.enable_memory_callstack_tracking(true)
  kumo.spawn_thread_pool { name = 'x', num_threads = 2 }
  test.raises('no metrics before mail is taken', kumo.prometheus_metrics)
end)
