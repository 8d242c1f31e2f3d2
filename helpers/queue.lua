--[[
Queues from data files: tenants, campaigns, retries and rates by domain.

    local queue_helper = require('policy-extras.queue'):setup { '/etc/moonpost/policy/queues.toml' }

    kumo.on('smtp_server_message_received', function(msg)
      queue_helper:apply(msg) -- before signing
    end)

A file, as TOML (or the same as JSON, when its name does not end in .toml):

    scheduling_header = "X-Schedule"   # imported, and always removed
    tenant_header = "X-Tenant"         # names the tenant of a message
    remove_tenant_header = true
    campaign_header = "X-Campaign"
    default_tenant = "main"

    [tenant.main]                      # any option of kumo.make_queue_config, and:
    egress_pool = "pool-1"
    require_authz = ["alice"]          # who may send as this tenant
    overall_max_message_rate = "50/s"  # of all queues of the tenant together
    [tenant.main.campaigns.news]
    overall_max_message_rate = "5/s"

    [queue.default]                    # any option of kumo.make_queue_config, and routing_domain
    max_age = "2 days"
    [queue."example.org"]              # a domain, or all below one: "*.example.org"
    routing_domain = "relay.example.com"
    [queue."example.org".main]         # a tenant within a domain
    [queue."example.org".main.news]    # a campaign within a tenant

Later files are merged into earlier ones. A table may stand in place of a file name. Which layer beats which:
queue/resolve.lua. How an option is told from the name of a tenant: queue/data.lua.

Set it up after all other helpers: its `get_queue_config` answers for every queue.
]]
local kumo = require 'kumo'
local data = require 'policy-extras.queue.data'
local data_files = require 'policy-extras.data_files'
local message = require 'policy-extras.queue.message'
local resolve = require 'policy-extras.queue.resolve'
local utils = require 'policy-extras.policy_utils'

local mod = {
  --- True once a policy has set it up.
  CONFIGURED = false,
}

---@class policy-extras.queue.Options
---@field file_names (string|table)[]
---@field skip_queue_config_hook? boolean leaves `get_queue_config` to the policy; default false
---@field invalidate_with_epoch? boolean accepted; the epoch always decides

---@class policy-extras.queue.Helper
---@field apply fun(self, msg: message) call it when a message has arrived, before it is signed
---@field resolve_config fun(self, domain: string, tenant?: string, campaign?: string): table options for kumo.make_queue_config

local SETUP_OPTIONS = { file_names = 'table', skip_queue_config_hook = 'boolean', invalidate_with_epoch = 'boolean' }

local function check_setup_options(options)
  if type(options) ~= 'table' then
    error(('queues: expected a table of options, got a %s'):format(type(options)), 0)
  end
  for key, value in pairs(options) do
    local expected = SETUP_OPTIONS[key]
    if not expected then
      local near = kumo.policy.nearest_name(tostring(key), utils.table_keys(SETUP_OPTIONS))
      error(("queues: unknown option '%s'%s"):format(key, near and (", did you mean '%s'?"):format(near) or ''), 0)
    elseif type(value) ~= expected then
      error(('queues: %s: expected a %s, got a %s'):format(key, expected, type(value)), 0)
    end
  end
end

-- Pools that queues and tenants name, where the sources helper knows them all.
local function check_pools(current, findings)
  local sources = package.loaded['policy-extras.sources']
  if not (sources and sources.CONFIGURED and sources.pool_names) then
    return
  end
  local known = sources.pool_names()
  for _, pool in ipairs(utils.deep_copy(current().pools)) do
    if not known[pool.name] and pool.name ~= 'unspecified' then
      local near = kumo.policy.nearest_name(pool.name, utils.table_keys(known))
      local advice = near and (", did you mean '%s'?"):format(near) or ''
      findings:add(pool.from, pool.path, ("egress_pool '%s' is not in your sources data%s"):format(pool.name, advice))
    end
  end
end

local function check_default_tenant(files, current, findings)
  local name = current().headers.default_tenant
  if name and not current().tenants[name] then
    local from = data_files.last_with(data_files.read(files), { { 'default_tenant' } })
    findings:add(from, { 'default_tenant' }, ("default_tenant '%s' is not defined"):format(name))
  end
end

local function describe_registrar(frames)
  local frame = frames[1]
  return frame and ('%s:%s'):format(frame.short_src, frame.currentline or '?') or '?'
end

-- The helper answers for every queue, so that handlers after it are never asked.
local function check_is_last(place)
  local registrars = kumo.get_event_registrars 'get_queue_config'
  if #registrars > place then
    local lines = { 'the queue helper must be the last to register get_queue_config; registered are:' }
    for i, frames in ipairs(registrars) do
      lines[#lines + 1] = ('  %d. %s%s'):format(i, describe_registrar(frames), i == place and ' (queue helper)' or '')
    end
    kumo.validation_failed(table.concat(lines, '\n'))
  end
end

--- The provider of a domain for metrics and logs, by what `get_egress_path_config` says; nil without one.
---@param domain string
---@param routing_domain? string
---@return string?
function mod:resolve_provider(domain, routing_domain)
  return resolve.resolve_provider(domain, routing_domain)
end

--- Whether kumo.make_queue_config takes the option with this value.
---@param name string
---@param value any
---@return boolean
function mod.is_queue_config_option(name, value)
  return data.is_queue_config_option(name, value)
end

--- Reads the files and registers `get_queue_config`, `throttle_insert_ready_queue` and what belongs to them. At the
--- top of the policy, once.
---@param options policy-extras.queue.Options
---@return policy-extras.queue.Helper
function mod:setup_with_options(options)
  data_files.configure_once(mod, 'queues')
  check_setup_options(options)
  local files = data_files.file_list(options.file_names or {}, 'queues')
  local current = data_files.follow(data.load, files)
  local helper = { apply_message = message.applier(current) }

  function helper:apply(msg)
    return self.apply_message(msg)
  end

  function helper:resolve_config(domain, tenant, campaign)
    return resolve.queue_options(resolve.params(current(), domain, tenant, campaign))
  end

  if not options.skip_queue_config_hook then
    kumo.on('get_queue_config', function(domain, tenant, campaign, routing_domain)
      local params = helper:resolve_config(domain, tenant, campaign)
      if params.provider_name == nil then
        params.provider_name = resolve.resolve_provider(domain, routing_domain)
      end
      return kumo.make_queue_config(params)
    end)
  end
  local place = #kumo.get_event_registrars 'get_queue_config'
  kumo.on('throttle_insert_ready_queue', message.throttler(current))
  kumo.on('explain_queue_config', function(domain, tenant, campaign, routing_domain)
    return resolve.explain(current(), files, domain, tenant, campaign, routing_domain)
  end)
  data_files.on_validate(function(findings)
    local read = data_files.read(files)
    data.parse(read, findings)
    if #findings.errors == 0 then
      check_pools(current, findings)
      check_default_tenant(files, current, findings)
    end
    if not options.skip_queue_config_hook then
      check_is_last(place)
    end
  end)
  return helper
end

--- As setup_with_options, with file names and nothing else.
---@param files (string|table)[]
---@return policy-extras.queue.Helper
function mod:setup(files)
  return self:setup_with_options { file_names = files }
end

return mod
