--[[
The policy that `npm start` runs. It is safe to try: mail is accepted from this machine only, and every
recipient is delivered into a local maildir below ./var/mail, so that nothing leaves by surprise.

To go live, see the lines marked GO LIVE.
]]
local kumo = require 'kumo'

-- Runs once, before mail is accepted: what to listen on, where to keep mail and logs.
kumo.on('init', function()
  kumo.define_spool { name = 'data', path = './var/spool/data' }
  kumo.define_spool { name = 'meta', path = './var/spool/meta' }

  -- Every step of every message as a JSON line; read it with `moonpost tail ./var/log`.
  kumo.configure_local_logs {
    log_dir = './var/log',
    max_segment_duration = '1 minute',
    headers = { 'Subject' },
    meta = { 'tenant' },
  }

  kumo.start_esmtp_listener {
    listen = '127.0.0.1:2525', -- GO LIVE: '0.0.0.0:25'
    -- GO LIVE: your own host name, and the networks that may send through you.
    -- hostname = 'mta.example.com',
    -- relay_hosts = { '127.0.0.1', '10.0.0.0/24' },
  }

  kumo.start_http_listener { listen = '127.0.0.1:8000' }
end)

-- Runs for every message, after its data has arrived and before it is on disk.
kumo.on('smtp_server_message_received', function(msg)
  -- A tenant groups mail into queues of its own; here it comes from a header that is then removed.
  local tenant = msg:get_first_named_header_value 'X-Tenant'
  if tenant then
    msg:set_meta('tenant', tenant)
    msg:remove_all_named_headers 'X-Tenant'
  end
end)

-- Runs when a queue gets its first message, and again every minute.
kumo.on('get_queue_config', function(domain, tenant, campaign, routing_domain)
  -- GO LIVE: delete `protocol`. Mail then goes to the MX of each domain.
  return kumo.make_queue_config {
    protocol = { maildir_path = './var/mail/{{ domain_part }}/{{ local_part }}' },
    retry_interval = '20 minutes',
    max_age = '7 days',
  }
end)

-- Runs when the first message for a site is due: how hard to knock. Without this handler, defaults apply.
kumo.on('get_egress_path_config', function(routing_domain, egress_source, site_name)
  return kumo.make_egress_path {
    connection_limit = 32,
    enable_tls = 'Opportunistic',
    -- GO LIVE: the name that other servers hear in EHLO; it should resolve to this machine.
    -- ehlo_domain = 'mta.example.com',
  }
end)
