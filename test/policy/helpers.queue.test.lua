local kumo = require 'kumo'
local test = require 'testing'
local data_files = require 'policy-extras.data_files'
local queue_data = require 'policy-extras.queue.data'
local queue = require 'policy-extras.queue'

-- One test resolver: the site of the domain is that of its MX.
kumo.on('pre_init', function()
  kumo.dns.configure_resolver { Test = { zones = { '$ORIGIN big.example.\n@ 30 MX 10 mx\nmx 30 A 192.0.2.1\n' } } }
end)
kumo.on('get_egress_path_config', function(_, _, site)
  return kumo.make_egress_path { provider_name = site == 'mx.big.example' and 'bigmail' or nil }
end)

local helper = queue:setup {
  {
    scheduling_header = 'X-Sched',
    tenant_header = 'X-Tenant',
    remove_tenant_header = true,
    campaign_header = 'X-Campaign',
    default_tenant = 'plain',
    tenant = {
      plain = { egress_pool = 'pool-0' },
      guarded = { require_authz = { 'alice', 'bob' }, max_age = '5 hours' },
      slow = { campaigns = { news = { retry_interval = '7m' } } },
    },
    queue = {
      default = { max_age = '2 days', retry_interval = '10m' },
      ['Example.org'] = {
        routing_domain = 'relay.example.com',
        max_age = '1 day',
        plain = { max_retry_interval = '2h', news = { retry_interval = '1m' } },
        undefined = { egress_pool = 'pool-2' },
      },
      ['*.wild.example'] = { egress_pool = 'wild' },
    },
  },
  { tenants = { plain = { max_message_rate = '10/s' } }, queues = { ['example.org'] = { refresh_interval = '5m' } } },
}

local function message(headers, recipient)
  return kumo.make_message('a@from.example', recipient or 'b@other.example', (headers or '') .. 'Subject: x\r\n\r\nhi\r\n')
end

test('later layers beat earlier ones', function()
  test.equal(helper:resolve_config('other.example'), { refresh_strategy = 'Epoch', max_age = '2 days', retry_interval = '10m' })
  test.equal(helper:resolve_config('EXAMPLE.org', 'plain', 'news'), {
    refresh_strategy = 'Epoch',
    max_age = '1 day',
    retry_interval = '1m',
    max_retry_interval = '2h',
    egress_pool = 'pool-0',
    max_message_rate = '10/s',
    refresh_interval = '5m',
  })
  test.equal(helper:resolve_config('example.org', 'undefined').egress_pool, 'pool-2')
  test.equal(helper:resolve_config('example.org', 'guarded').max_age, '5 hours')
  test.equal(helper:resolve_config('a.b.wild.example').egress_pool, 'wild')
  test.equal(helper:resolve_config('wild.example').egress_pool, nil)
  test.equal(helper:resolve_config('other.example', 'slow', 'news').retry_interval, '7m')
  test.equal(helper:resolve_config('other.example', 'guarded').require_authz, nil)
end)

test('get_queue_config answers, and names the provider', function()
  local config = kumo.invoke_get_queue_config 'news:plain@example.org'
  test.equal({ config.max_age, config.retry_interval, config.egress_pool }, { '1day', '1m', 'pool-0' })
  test.equal(kumo.invoke_get_queue_config('big.example').provider_name, 'bigmail')
  test.equal(queue:resolve_provider('big.example'), 'bigmail')
  test.equal(queue:resolve_provider('x.example', 'big.example'), 'bigmail')
  test.equal(queue:resolve_provider('absent.example'), nil)
end)

test('apply takes tenant, campaign, schedule and routing domain', function()
  local msg = message('X-Tenant: plain\r\nX-Campaign: news\r\nX-Sched: {"first_attempt": "2030-01-01T00:00:00Z"}\r\n', 'b@Example.ORG')
  helper:apply(msg)
  test.equal({ msg:get_meta 'tenant', msg:get_meta 'campaign', msg:get_meta 'routing_domain' }, { 'plain', 'news', 'relay.example.com' })
  test.equal(msg:get_first_named_header_value 'X-Tenant', nil)
  test.equal(msg:get_first_named_header_value 'X-Sched', nil)
  test.equal(msg:get_first_named_header_value 'X-Campaign', 'news')
  test.equal(msg:queue_name(), 'news:plain@example.org!relay.example.com')
  local other = message()
  helper:apply(other)
  test.equal({ other:get_meta 'tenant', other:get_meta 'routing_domain' }, { 'plain' })
  test.raises('', helper.apply, helper, message 'X-Sched: nonsense\r\n')
end)

test('apply refuses who may not use the tenant', function()
  test.raises("500 tenant 'nobody' specified by 'X-Tenant' header is not defined in your queue config", helper.apply, helper, message 'X-Tenant: nobody\r\n')
  local msg = message 'X-Tenant: guarded\r\n'
  test.raises("500 tenant 'guarded' requires SMTP AUTH", helper.apply, helper, msg)
  msg = message 'X-Tenant: guarded\r\n'
  msg:set_meta('authz_id', 'eve')
  test.raises("500 authz_id 'eve' is not authorized to send as tenant 'guarded'", helper.apply, helper, msg)
  msg = message 'X-Tenant: guarded\r\n'
  msg:set_meta('authz_id', 'bob')
  helper:apply(msg)
  test.equal(msg:get_meta 'tenant', 'guarded')
end)

local SLOW = '1/day,max_burst=1'
local rates = {
  tenant = {
    slow = { campaigns = { news = { overall_max_message_rate = SLOW } } },
    slower = { overall_max_message_rate = SLOW, campaigns = { news = { overall_max_message_rate = '1000/s' } } },
  },
}

-- Whether a throttle of that name and rate has been used up.
local function is_used_up(name, rate)
  return kumo.make_throttle('queue-helper-tenant-' .. name, rate):throttle().throttled
end

test('the overall rate of a campaign is its own, with or without one of the tenant', function()
  local throttle = require('policy-extras.queue.message').throttler(function()
    return queue_data.parse(data_files.read { rates }, data_files.findings())
  end)
  local function send(tenant, campaign)
    for _ = 1, 5 do
      local msg = message()
      msg:set_meta('tenant', tenant)
      msg:set_meta('campaign', campaign)
      throttle(msg)
    end
  end
  send('slow', 'other')
  send('slow', 'news')
  send('slower', 'news')
  send('undefined', 'news')
  send(nil, nil)
  test.equal(is_used_up('campaign-overall_max_message_rate-slow-news', SLOW), true)
  test.equal(is_used_up('campaign-overall_max_message_rate-slow-other', SLOW), false)
  test.equal(is_used_up('overall_max_message_rate-slower', SLOW), true)
  test.equal(is_used_up('campaign-overall_max_message_rate-slower-news', SLOW), false)
end)

local function findings_of(text, dir)
  local file <close> = assert(io.open(dir .. '/queues.toml', 'w'))
  file:write(text)
  file:flush()
  local findings = data_files.findings()
  queue_data.parse(data_files.read { dir .. '/queues.toml' }, findings)
  local ok, message_ = pcall(findings.raise, findings)
  return ok and '' or (message_:gsub('/%S*/queues', 'queues'))
end

test('mistakes name file, line, section and what was meant', function(dir)
  local cases = {
    ['tenant_headr = "X"'] = "queues.toml:1:1: unknown key 'tenant_headr', did you mean 'tenant_header'?",
    ['default_tenant = 5'] = "queues.toml:1:1: 'default_tenant': expected a string, got a number",
    ['[tenant.a]\negres_pool = "x"'] = "queues.toml:2:1: [tenant.a] unknown option 'egres_pool', did you mean 'egress_pool'?",
    ['[tenant.a]\nmax_age = "soon"'] = "queues.toml:2:1: [tenant.a] max_age: 'soon' is no duration such as '5 minutes' or '1h 30m'",
    ['[tenant.a]\nrequire_authz = "alice"'] = "queues.toml:2:1: [tenant.a] 'require_authz': expected a list of strings",
    ['[tenant.a.campaigns.b]\nmax_ag = "1d"'] = "queues.toml:2:1: [tenant.a.campaigns.b] unknown option 'max_ag', did you mean 'max_age'?",
    ['[queue."a.example"]\n\nmax_ag = "1d"'] = "queues.toml:3:1: [queue.\"a.example\"] unknown option 'max_ag', did you mean 'max_age'?",
    ['[queue."a.example".protocl]\nsmtp = {}'] = "queues.toml:1:20: [queue.\"a.example\"] unknown option 'protocl', did you mean 'protocol'? (a tenant or campaign of that name must be defined in [tenant.*])",
    ['[queue."a.example".protocol]\nsmtq = {}'] = 'queues.toml:1:20: [queue."a.example"] unknown field `protocol.smtq`, did you mean `smtp`?',
    ['[queue."a.example".t.c]\nmax_age = 5\nretry = 1'] = "queues.toml:3:1: [queue.\"a.example\".t.c] unknown option 'retry'",
    ['[queue]\n"a.example" = 5'] = "queues.toml:2:1: [queue] 'a.example': expected a table, got a number",
    ['[tenant.a]\noverall_max_message_rate = "quick"'] = "queues.toml:2:1: [tenant.a] 'overall_max_message_rate': 'quick' is no throttle such as '100/s' or 'local:20/30min,max_burst=5'",
  }
  for text, expected in pairs(cases) do
    test.equal(findings_of(text, dir), expected)
  end
  -- All of them at once, by line.
  test.equal(
    findings_of('[tenant.a]\nx = 1\n[queue.b]\ny = 2', dir),
    "queues.toml:2:1: [tenant.a] unknown option 'x'\nqueues.toml:4:1: [queue.b] unknown option 'y'"
  )
end)

test('a table is a tenant unless it must be a mistyped option', function(dir)
  test.equal(findings_of('[queue."a.example".anybody]\nmax_age = "1d"', dir), '')
  test.equal(findings_of('[tenant.protocl]\n[queue."a.example".protocl]\nmax_age = "1d"', dir), '')
end)

test('explain names the place of each option', function(dir)
  local file <close> = assert(io.open(dir .. '/q.toml', 'w'))
  file:write '[queue.default]\nmax_age = "2d"\n[tenant.t]\negress_pool = "p"\n[queue."a.example".t]\n  max_age = "1d"\n'
  file:flush()
  local files = { dir .. '/q.toml', { queue = { default = { retry_interval = '3m' } } } }
  local resolve = require 'policy-extras.queue.resolve'
  local data = queue_data.parse(data_files.read(files), data_files.findings())
  test.equal(resolve.explain(data, files, 'a.example', 't'), {
    { option = 'egress_pool', value = 'p', origin = { kind = 'file', file = dir .. '/q.toml', section = '[tenant.t]', line = 4, column = 1 } },
    { option = 'max_age', value = '1d', origin = { kind = 'file', file = dir .. '/q.toml', section = '[queue."a.example".t]', line = 6, column = 3 } },
    { option = 'refresh_strategy', value = 'Epoch', origin = { kind = 'helper', section = 'queue helper' } },
    { option = 'retry_interval', value = '3m', origin = { kind = 'file', file = 'inline table 2', section = '[queue.default]' } },
  })
end)

test('a second setup is refused, and so are unknown options', function()
  test.raises('queues module has already been configured', queue.setup, queue, {})
  queue.CONFIGURED = false
  test.raises("unknown option 'filenames', did you mean 'file_names'?", queue.setup_with_options, queue, { filenames = {} })
  test.equal({ queue.is_queue_config_option('max_age', '1d'), queue.is_queue_config_option('max_age', 'x'), queue.is_queue_config_option('x', 1) }, { true, false, false })
end)
