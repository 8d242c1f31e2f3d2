-- The same data as TOML, as JSON and as tables of the policy: files that were written for KumoMTA load as they are.
local kumo = require 'kumo'
local test = require 'testing'
local data_files = require 'policy-extras.data_files'
local queue_data = require 'policy-extras.queue.data'
local resolve = require 'policy-extras.queue.resolve'
local sources = require 'policy-extras.sources'
local utils = require 'policy-extras.policy_utils'

local QUEUES = [[
scheduling_header = "X-Schedule"
tenant_header = "X-Tenant"
remove_tenant_header = true
default_tenant = "mytenant"
[tenant.'mytenant']
egress_pool = 'pool-1'
max_message_rate = "50/s"
[tenant.'priority']
egress_pool = "pool-2"
max_age = '10 minutes'
require_authz = ["scott"]
[queue.default]
max_age = '24 hours'
retry_interval = "20m"
[queue.'gmail.com']
max_age = '22 hours'
retry_interval = '17 mins'
[queue.'gmail.com'.'mytenant']
max_age = '20 hours'
[queue.'gmail.com'.'mytenant'.'welcome-campaign']
max_age = '6 hours'
[queue."*.wild.example"]
routing_domain = "relay.example.com"
]]

local SOURCES = [[
[source."ip-1"]
source_address = "10.0.0.1"
[source."ip-2"]
source_address = "10.0.0.2"
ehlo_domain = "mta2.example.com"
[pool."empty"]
[pool."pool-1"."ip-1"]
[pool."pool-1"."ip-2"]
weight = 2
]]

-- The same text as a TOML file, a JSON file, and a table.
local function forms(dir, name, text)
  local decoded = kumo.serde.toml_parse(text)
  local function file(ending, content)
    local path = ('%s/%s.%s'):format(dir, name, ending)
    local handle <close> = assert(io.open(path, 'w'))
    handle:write(content)
    handle:flush()
    return path
  end
  return { file('toml', text), file('json', kumo.serde.json_encode(decoded)), decoded }
end

local function parsed(parse, form)
  local findings = data_files.findings()
  local data = parse(data_files.read { form }, findings)
  findings:raise()
  return data
end

local CASES = {
  { 'example.com', nil, nil, { max_age = '24 hours', retry_interval = '20m' } },
  { 'gmail.com', nil, nil, { max_age = '22 hours', retry_interval = '17 mins' } },
  { 'gmail.com', 'priority', nil, { max_age = '10 minutes', retry_interval = '17 mins', egress_pool = 'pool-2' } },
  {
    'gmail.com',
    'mytenant',
    'other',
    { max_age = '20 hours', retry_interval = '17 mins', egress_pool = 'pool-1', max_message_rate = '50/s' },
  },
  {
    'gmail.com',
    'mytenant',
    'welcome-campaign',
    { max_age = '6 hours', retry_interval = '17 mins', egress_pool = 'pool-1', max_message_rate = '50/s' },
  },
}

test('queues resolve alike from TOML, JSON, and tables in either spelling', function(dir)
  local all = forms(dir, 'queues', QUEUES)
  local plural = utils.merge_into(all[3], {})
  plural.tenants, plural.queues, plural.tenant, plural.queue = plural.tenant, plural.queue, nil, nil
  all[#all + 1] = plural
  for i, form in ipairs(all) do
    local data = parsed(queue_data.parse, form)
    for _, case in ipairs(CASES) do
      local expected = utils.merge_into(case[4], { refresh_strategy = 'Epoch' })
      local options = resolve.queue_options(resolve.params(data, case[1], case[2], case[3]))
      test.equal({ i, options }, { i, expected })
      kumo.make_queue_config(options)
    end
    test.equal(resolve.params(data, 'any.wild.example').routing_domain, 'relay.example.com')
    test.equal(resolve.headers(data).default_tenant, 'mytenant')
  end
end)

test('sources and pools are alike from TOML, JSON and tables', function(dir)
  for i, form in ipairs(forms(dir, 'sources', SOURCES)) do
    local data = parsed(sources.parse, form)
    test.equal({ i, data.source['ip-2'] }, { i, { source_address = '10.0.0.2', ehlo_domain = 'mta2.example.com' } })
    local weights = {}
    for _, entry in ipairs(data.pool['pool-1'].entries) do
      weights[entry.name] = entry.weight or 1
    end
    test.equal({ i, weights, #data.pool.empty.entries }, { i, { ['ip-1'] = 1, ['ip-2'] = 2 }, 0 })
  end
end)
