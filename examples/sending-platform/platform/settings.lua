-- Places, and the data files. Everything that reads a file is memoized: one read serves all handlers until the
-- file changes, or five minutes have gone by.
local kumo = require 'kumo'

local settings = {}

local function env(name, default)
  local value = os.getenv(name)
  if value == nil or value == '' then
    return default
  end
  return value
end

settings.spool_dir = env('KUMO_SPOOL_DIR', '/var/spool/kumomta')
settings.log_dir = env('KUMO_LOG_DIR', '/var/log/kumomta')
settings.data_dir = env('KUMO_DATA_DIR', '/opt/kumomta/etc/policy/data')
settings.mail_dir = env('KUMO_MAIL_DIR', '/var/mail/hosted')
settings.mx_listen = env('KUMO_MX_LISTEN', '0.0.0.0:25')
settings.submission_listen = env('KUMO_SUBMISSION_LISTEN', '0.0.0.0:587')
settings.inject_listen = env('KUMO_INJECT_LISTEN', '127.0.0.1:2525')
settings.http_listen = env('KUMO_HTTP_LISTEN', '127.0.0.1:8000')
settings.staging_relay = env('KUMO_STAGING_RELAY', nil)
settings.backup_relay = env('KUMO_BACKUP_RELAY', nil)

local function data_file(name, load)
  return kumo.memoize(function()
    return load(settings.data_dir .. '/' .. name)
  end, {
    name = 'platform-' .. name,
    ttl = '5 minutes',
    capacity = 1,
    invalidate_with_epoch = true,
  })
end

-- Tenants by name.
settings.tenants = data_file('tenants.toml', kumo.serde.toml_load)

-- Pools, sources and rules by destination.
settings.egress = data_file('egress.toml', kumo.serde.toml_load)

-- Domains that are ours in some way; `*.` in front stands for all below.
settings.domains = data_file('domains.json', function(path)
  return kumo.domain_map.new(kumo.serde.json_load(path))
end)

-- What we think of an address that connects.
settings.networks = data_file('networks.json', function(path)
  return kumo.cidr.make_map(kumo.serde.json_load(path))
end)

--- The tenant of that name, or nil.
function settings.tenant(name)
  if type(name) ~= 'string' then
    return nil
  end
  return settings.tenants()[name]
end

return settings
