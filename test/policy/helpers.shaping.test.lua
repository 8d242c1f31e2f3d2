local kumo = require 'kumo'
local test = require 'testing'
local shaping = require 'policy-extras.shaping'
local subscriber = require 'policy-extras.shaping.subscriber'

kumo.on('pre_init', function()
  kumo.dns.configure_resolver {
    Test = {
      zones = {
        'gmail.com. 30 MX 10 gmail-smtp-in.l.google.com.\n',
        'firm.example. 30 MX 0 firm-example.mail.protection.outlook.com.\n',
        'other.example. 30 MX 0 mx.other.example.\n',
      },
    },
  }
end)

local shaper = shaping:setup_with_automation { publish = { 'http://127.0.0.1:8008' } }
kumo.on('get_egress_path_config', shaper.get_egress_path_config)

local function params(domain, site)
  return shaper.get_egress_path_config(domain, 'ip-1', site, true)
end

test('the default file holds for every path, and knows large providers', function()
  local other = params('other.example', 'mx.other.example')
  test.equal({ other.connection_limit, other.refresh_strategy, other.provider_name }, { 10, 'Epoch' })
  local google = params('gmail.com', 'gmail-smtp-in.l.google.com')
  test.equal({ google.provider_name, google.max_deliveries_per_connection }, { 'google', 50 })
  test.equal(google.additional_connection_limits['shaping-provider-google-ip-1-limit'], 20)
  test.equal(params('firm.example', 'firm-example.mail.protection.outlook.com').provider_name, 'microsoft-365')
  local made = kumo.invoke_get_egress_path_config('gmail.com', 'ip-1', 'gmail-smtp-in.l.google.com')
  test.equal({ made.provider_name, made.refresh_strategy }, { 'google', 'Epoch' })
end)

test('automation rules of the default file', function()
  local function rules(text)
    return #shaper.load_shaping_data():match_rules {
      type = 'TransientFailure',
      recipient = 'user@gmail.com',
      queue = 'gmail.com',
      site = 'ip-1->gmail-smtp-in.l.google.com@smtp_client',
      response = { code = 421, content = text, enhanced_code = { class = 4, subject = 7, detail = 28 } },
    }
  end
  test.equal({ rules 'Our system has detected an unusual rate', rules 'Too many connections' }, { 1, 2 })
end)

test('the queue of a daemon is delivered by its own handler', function()
  local config = kumo.invoke_get_queue_config 'http://127.0.0.1:8008.tsa.kumomta'
  test.equal(config.protocol.custom_lua.constructor, 'make.http://127.0.0.1:8008.tsa.kumomta')
  test.equal({ config.retry_interval, config.max_retry_interval }, { '1m', '20m' })
end)

test('what a daemon says becomes rules of the administrator', function()
  local expires = '2199-01-01T00:00:00Z'
  local function tell(key, event)
    event.reason, event.rule_hash, event.expires = 'automation rule: x', 'abc', expires
    subscriber.apply(kumo.serde.json_encode { [key] = event })
  end
  tell('ReadyQSuspension', { site_name = 'ip-1->mx.example@smtp_client', source = 'ip-1' })
  tell('SchedQSuspension', { domain = 'a.example', tenant = 't' })
  tell('SchedQBounce', { domain = 'b.example' })
  subscriber.apply 'no JSON'
  subscriber.apply '{"Unknown": {}}'
  local ready = kumo.api.admin.suspend_ready_q.list()
  test.equal({ #ready, ready[1].name, ready[1].reason }, { 1, 'ip-1->mx.example@smtp_client', 'automation rule: x (rule_hash=abc)' })
  local suspended = kumo.api.admin.suspend.list()
  test.equal({ #suspended, suspended[1].domain, suspended[1].tenant }, { 1, 'a.example', 't' })
  test.equal(kumo.api.admin.bounce.list()[1].domain, 'b.example')
end)

test('mistakes end the load', function(dir)
  test.raises('shaping module has already been configured', shaping.setup, shaping, {})
  local function setup(options)
    shaping.CONFIGURED = false
    return shaping:setup_with_automation(options)
  end
  test.raises("shaping: unknown option 'extra_file', did you mean 'extra_files'?", setup, { extra_file = {} })
  test.raises('shaping: pre_filter: expected a boolean, got a string', setup, { pre_filter = 'x' })
  test.raises('absent.toml', setup, { extra_files = { dir .. '/absent.toml' } })
  -- The place is that in the file, and nothing is said of the helper.
  local path = dir .. '/shaping.toml'
  local file <close> = assert(io.open(path, 'w'))
  file:write '["default"]\nconnection_limit = "many"\n'
  file:flush()
  local ok, problem = pcall(setup, { extra_files = { path } })
  test.equal({ ok, tostring(problem):sub(1, #path + 16) }, { false, path .. ':2:1: bad-value:' })
end)
