-- Queues, the addresses that we send from, how hard we knock at other servers, and what happens after a failure.
local kumo = require 'kumo'
local settings = require 'platform.settings'

local egress = {}

-- Retries of what nobody waits for, and of a password reset.
local PATIENT = { retry_interval = '20 minutes', max_retry_interval = '4 hours', max_age = '3 days' }
local URGENT = { retry_interval = '1 minute', max_retry_interval = '10 minutes', max_age = '2 hours' }

function egress.get_queue_config(domain, tenant_name, campaign, routing_domain)
  local ours = settings.domains()[domain]
  if ours and ours.relay_to and not routing_domain then
    return kumo.make_queue_config {
      protocol = {
        maildir_path = settings.mail_dir .. '/{{ domain_part }}/{{ local_part }}',
      },
    }
  end
  local pace = campaign == 'password-reset' and URGENT or PATIENT
  local params = {
    retry_interval = pace.retry_interval,
    max_retry_interval = pace.max_retry_interval,
    max_age = pace.max_age,
  }
  local tenant = settings.tenant(tenant_name)
  if tenant then
    params.egress_pool = tenant.pool
    params.max_message_rate = tenant.queue_rate
  end
  return kumo.make_queue_config(params)
end

function egress.get_egress_pool(name)
  local pool = settings.egress().pools[name]
  if pool == nil then
    error('no pool ' .. name .. ' in egress.toml')
  end
  local entries = {}
  for source, weight in pairs(pool) do
    table.insert(entries, { name = source, weight = weight })
  end
  return kumo.make_egress_pool { name = name, entries = entries, ttl = '1 minute' }
end

function egress.get_egress_source(name)
  local source = settings.egress().sources[name]
  return kumo.make_egress_source {
    name = name,
    ehlo_domain = source.ehlo_domain,
    source_address = source.source_address,
    ttl = '1 minute',
  }
end

--- Settings of one site: the defaults, then the rules whose suffix the site ends in, the longest last.
function egress.get_egress_path_config(routing_domain, source, site_name)
  local params = {
    connection_limit = 10,
    max_deliveries_per_connection = 100,
    enable_tls = 'OpportunisticInsecure',
    idle_timeout = '5s',
  }
  local rules = {}
  for suffix, rule in pairs(settings.egress().sites) do
    if kumo.string.ends_with(site_name, suffix) then
      table.insert(rules, { suffix = suffix, rule = rule })
    end
  end
  table.sort(rules, function(a, b)
    return #a.suffix < #b.suffix
  end)
  for _, match in ipairs(rules) do
    for key, value in pairs(match.rule) do
      params[key] = value
    end
  end
  if settings.staging_relay then
    params.prohibited_hosts = {}
  end
  return kumo.make_egress_path(params)
end

local BLOCKED = kumo.regex.compile [[^4\d\d (?:4\.7\.\d+ )?.*\b(blocked|reputation|greylist)]]

-- After a temporary failure: mail that is refused for where it comes from takes the other way, once.
function egress.requeue_message(msg, response, insert_context, increment_attempts, delay)
  if not settings.backup_relay or msg:get_meta 'rerouted' then
    return
  end
  if BLOCKED:is_match(response) then
    kumo.log_info(msg:id(), 'takes the other way after', kumo.string.normalize_smtp_response(response))
    msg:set_meta('rerouted', true)
    msg:set_meta('routing_domain', settings.backup_relay)
  end
end

return egress
