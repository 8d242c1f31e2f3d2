--[[
Traffic shaping: how hard to knock at which receivers, from data files, with or without an automation daemon that
learns from the answers of the receivers.

    local shaping = require 'policy-extras.shaping'
    kumo.on('get_egress_path_config', shaping:setup { '/etc/moonpost/policy/shaping.toml' })

or, with a daemon:

    local shaper = shaping:setup_with_automation {
      extra_files = { '/etc/moonpost/policy/shaping.toml' },
      publish = { 'http://127.0.0.1:8008' },   -- gets log records
      subscribe = { 'http://127.0.0.1:8008' }, -- tells what follows from them
    }
    kumo.on('get_egress_path_config', shaper.get_egress_path_config)
    kumo.on('init', function()
      shaper.setup_publish()
    end)

A file:

    ["default"]                       # the base of every path
    connection_limit = 10

    ["example.org"]                   # any option of kumo.make_egress_path; for all domains with the same MX, unless
    max_message_rate = "20/s"         # mx_rollup = false. Domains need their quotes.
    ["example.org".sources."ip-9"]    # for one of our sources
    connection_limit = 2

    [provider."bigmail"]              # all domains that match
    match = [ { MXSuffix = ".mx.bigmail.net" }, { DomainSuffix = ".bigmail.net" } ]
    provider_connection_limit = 20

Later files beat earlier ones; shaping.toml beside this file comes first, with careful values for large providers.
`moonpost validate-shaping FILES` checks files, and `moonpost resolve-shaping-domain` says what holds for a domain, and
why. Set shaping up before the queue helper.
]]
local kumo = require 'kumo'
local data_files = require 'policy-extras.data_files'
local publisher = require 'policy-extras.shaping.publisher'
local subscriber = require 'policy-extras.shaping.subscriber'
local utils = require 'policy-extras.policy_utils'

local mod = {
  --- True once a policy has set it up.
  CONFIGURED = false,
}

-- Found beside this file, unless an installed KumoMTA has one.
local DEFAULT_FILE = '/opt/kumomta/share/policy-extras/shaping.toml'

local VALIDATION_OPTIONS = {
  aliased_site = 'Warn',
  dns_fail = 'Warn',
  local_load = 'Error',
  null_mx = 'Warn',
  provider_overlap = 'Warn',
  remote_load = 'Ignore',
  skip_remote = true,
}

---@class policy-extras.shaping.Options
---@field publish? string[] base URLs of daemons that get log records
---@field subscribe? string[] base URLs of daemons that say what follows
---@field extra_files? string[] after the default file, in order; URLs may be among them
---@field no_default_files? boolean leaves the default file out
---@field load_validation_options? table options of kumo.shaping.load
---@field validation_options? table the same for `moonpost --validate`
---@field tsa_queue_config? table options of the queues to daemons, over retries after 1 to 20 minutes
---@field back_pressure? integer of the log hooks
---@field pre_filter? boolean sends only records that an automation rule matches; default true
---@field skip_log_record_types? string[] types that are not sent, in place of the usual ones
---@field additional_skip_log_record_types? string[] more types that are not sent
---@field cache_ttl? string how long files are kept before DNS and URLs are asked again; default 1 minute
---@field shaping_data_populate_timeout? string of kumo.memoize
---@field retry_shaping_data_fetch_on_populate_timeout? boolean of kumo.memoize
---@field allow_stale_shaping_data? boolean of kumo.memoize
---@field publish_timeout? string for a POST; default 1 minute
---@field publish_pool_idle_timeout? string default 90 seconds
---@field publish_connection_verbose? boolean

local OPTIONS = {
  publish = 'table',
  subscribe = 'table',
  extra_files = 'table',
  no_default_files = 'boolean',
  load_validation_options = 'table',
  validation_options = 'table',
  tsa_queue_config = 'table',
  back_pressure = 'number',
  pre_filter = 'boolean',
  skip_log_record_types = 'table',
  additional_skip_log_record_types = 'table',
  cache_ttl = 'string',
  shaping_data_populate_timeout = 'string',
  retry_shaping_data_fetch_on_populate_timeout = 'boolean',
  allow_stale_shaping_data = 'boolean',
  publish_timeout = 'string',
  publish_pool_idle_timeout = 'string',
  publish_connection_verbose = 'boolean',
}

local function check_options(options)
  if type(options) ~= 'table' then
    error(('shaping: expected a table of options, got a %s'):format(type(options)), 0)
  end
  for key, value in pairs(options) do
    if not OPTIONS[key] then
      local near = kumo.policy.nearest_name(tostring(key), utils.table_keys(OPTIONS))
      error(("shaping: unknown option '%s'%s"):format(key, near and (", did you mean '%s'?"):format(near) or ''), 0)
    elseif type(value) ~= OPTIONS[key] then
      error(('shaping: %s: expected a %s, got a %s'):format(key, OPTIONS[key], type(value)), 0)
    end
  end
end

local function files_of(options)
  local files = {}
  if not options.no_default_files then
    files[1] = DEFAULT_FILE
  end
  for _, file in ipairs(data_files.file_list(options.extra_files or {}, 'shaping: extra_files')) do
    files[#files + 1] = file
  end
  for _, url in ipairs(options.subscribe or {}) do
    files[#files + 1] = url .. '/get_config_v1/shaping.toml'
  end
  return files
end

-- As kumo.shaping.load, but an error begins with the place in the data file, not with one in here.
local function load_files(files, load_options)
  local ok, result = pcall(kumo.shaping.load, files, load_options)
  if ok then
    return result
  end
  local text = tostring(result)
  local _, last = text:find('kumo.shaping.load: ', 1, true)
  error(last and text:sub(last + 1) or text, 0)
end

-- Reads the files, and logs what was found. Without one of them the limits in it would be gone: that is an error, so
-- that what was read before stays.
local function load_and_tell(files, load_options)
  local shaping = load_files(files, load_options)
  for _, text in ipairs(shaping:get_errors()) do
    if text:find('unreadable-file:', 1, true) then
      error(text, 0)
    end
    kumo.log_error(text)
  end
  for _, text in ipairs(shaping:get_warnings()) do
    kumo.log_warn(text)
  end
  return shaping
end

local function remembered(options)
  return kumo.memoize(load_and_tell, {
    name = 'shaping_data',
    ttl = options.cache_ttl or '1 minute',
    capacity = 16,
    invalidate_with_epoch = not options.allow_stale_shaping_data,
    populate_timeout = options.shaping_data_populate_timeout,
    retry_on_populate_timeout = options.retry_shaping_data_fetch_on_populate_timeout,
    allow_stale_reads = options.allow_stale_shaping_data,
    keep_last_good = true,
  })
end

-- Tables of sources that no sources data file defines.
local function dead_sources(shaping)
  local sources = package.loaded['policy-extras.sources']
  if not (sources and sources.CONFIGURED and sources.source_names) then
    return {}
  end
  local dead = {}
  for _, text in ipairs(shaping:get_dead_sources(utils.table_keys(sources.source_names()))) do
    -- The one that shows how to write it in files that come with KumoMTA.
    if not text:find('my source name', 1, true) then
      dead[#dead + 1] = text
    end
  end
  return dead
end

local function validate(files, options)
  local shaping = load_files(files, options.validation_options or VALIDATION_OPTIONS)
  local errors, warnings = shaping:get_errors(), shaping:get_warnings()
  local lines = {}
  for _, text in ipairs(errors) do
    lines[#lines + 1] = 'ERROR: ' .. text
  end
  for _, text in ipairs(dead_sources(shaping)) do
    lines[#lines + 1] = 'ERROR: ' .. text
  end
  if #lines > 0 or #warnings > 0 then
    print 'Issues found in the combined set of shaping files:'
  end
  for _, text in ipairs(warnings) do
    print('WARNING: ' .. text)
  end
  if #lines > 0 then
    kumo.validation_failed(table.concat(lines, '\n'))
  end
end

---@class policy-extras.shaping.Shaper
---@field get_egress_path_config fun(domain: string, source: string, site: string, skip_make?: boolean): egress_path|table the handler of that event; with skip_make a plain table of options
---@field setup_publish fun() call it in `init`
---@field load_shaping_data fun(): shaping
---@field _file_names string[]
---@field _options policy-extras.shaping.Options

--- Reads the files, and registers what publishing and subscribing take. At the top of the policy, once.
---@param options policy-extras.shaping.Options
---@return policy-extras.shaping.Shaper
function mod:setup_with_automation(options)
  data_files.configure_once(mod, 'shaping')
  options = options or {}
  check_options(options)
  local files = files_of(options)
  local recall = remembered(options)
  local function load()
    return recall(files, options.load_validation_options)
  end

  if not _VALIDATING_CONFIG then
    load()
  end
  kumo.on('config_epoch_changed', function()
    load()
  end)
  for _, url in ipairs(options.publish or {}) do
    publisher.register(url, options, load)
  end
  if #(options.subscribe or {}) > 0 then
    subscriber.register(function()
      return load_files(files, options.load_validation_options)
    end)
  end
  kumo.on('explain_egress_path_config', function(domain, source, site)
    local list = load():explain_egress_path_config(domain, source, site)
    for _, entry in ipairs(list) do
      if entry.option == 'refresh_strategy' then
        return list
      end
    end
    list[#list + 1] = { option = 'refresh_strategy', value = 'Epoch', origin = 'shaping helper' }
    return list
  end)
  kumo.on('validate_config', function()
    local ok, problem = pcall(validate, files, options)
    if not ok then
      kumo.validation_failed(tostring(problem))
    end
  end)

  return {
    _file_names = files,
    _options = options,
    load_shaping_data = load,
    get_egress_path_config = function(domain, source, site, skip_make)
      local params = load():get_egress_path_config(domain, source, site)
      params.refresh_strategy = params.refresh_strategy or 'Epoch'
      if skip_make then
        return params
      end
      return kumo.make_egress_path(params)
    end,
    setup_publish = function()
      for _, url in ipairs(options.publish or {}) do
        publisher.declare(url, options)
      end
      subscriber.start(options.subscribe or {})
    end,
  }
end

--- Shaping by files alone. At the top of the policy, once.
---@param extra_files? string[] after the default file, in order
---@return fun(domain: string, source: string, site: string, skip_make?: boolean): egress_path|table handler for `get_egress_path_config`
function mod:setup(extra_files)
  return self:setup_with_automation({ extra_files = extra_files }).get_egress_path_config
end

return mod
