--[[
The policy of the container image, and of the compose file beside it: a relay that keeps its spool and its logs in
volumes. Mount a file over /etc/moonpost/policy/init.lua to have your own.

Try it, in a checkout; Ctrl-C and `docker compose stop` end it in order:

  docker compose -f examples/container/compose.yaml up --build
  swaks --server 127.0.0.1:2525 --from me@example.org --to joe@example.com

Before real use change the lines marked GO LIVE.
]]
local kumo = require 'kumo'

-- The networks of Docker: who reaches this container is who the host and its firewall let through.
local NEIGHBOURS = { '127.0.0.1', '::1', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16' } -- GO LIVE: narrower

kumo.on('init', function()
  kumo.define_spool { name = 'data', path = '/var/spool/moonpost/data' }
  kumo.define_spool { name = 'meta', path = '/var/spool/moonpost/meta' }
  kumo.configure_local_logs { log_dir = '/var/log/moonpost', max_segment_duration = '10 minutes' }

  -- All addresses of the container; which port of the host leads here says the compose file.
  kumo.start_esmtp_listener { listen = '0.0.0.0:2525', relay_hosts = NEIGHBOURS }
  -- The health check of the image asks 127.0.0.1:8000. The API does more than that: publish its port with care.
  kumo.start_http_listener { listen = '0.0.0.0:8000', trusted_hosts = NEIGHBOURS }
end)

kumo.on('get_queue_config', function(domain, tenant, campaign, routing_domain)
  -- GO LIVE: delete `protocol`. Mail then goes to the MX of each domain.
  return kumo.make_queue_config {
    protocol = { smtp = { mx_list = { 'sink:2526' } } },
  }
end)

kumo.on('get_egress_path_config', function(routing_domain, egress_source, site_name)
  return kumo.make_egress_path {
    connection_limit = 32,
    enable_tls = 'OpportunisticInsecure', -- GO LIVE: 'Opportunistic'; the sink has a certificate of its own making
    -- GO LIVE: the name that other servers hear in EHLO; it should resolve to the address that they see.
    -- ehlo_domain = 'mta.example.com',
  }
end)
