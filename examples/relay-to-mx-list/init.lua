--[[
A relay: takes mail from your own networks and hands all of it to two hosts of yours.

Try it: in one shell run a server that swallows mail, in another this policy, in a third send something.

  node bin/moonpost.js sink --listen 127.0.0.1:2526
  node bin/moonpost.js --policy examples/relay-to-mx-list/init.lua
  swaks --server 127.0.0.1:2525 --to joe@example.com

Before real use change the lines marked GO LIVE.
]]
local kumo = require 'kumo'

-- Where all mail goes: the first host as long as it answers, else the next.
-- A plain string is looked up in DNS: 'mx1.example.com', or 'mx1.example.com:587' for another port.
-- A table gives the address itself; its name is what logs show and what a certificate must be for.
local RELAYS = {
  { name = 'relay.example.com', addr = '127.0.0.1:2526' }, -- GO LIVE: 'mx1.example.com', 'mx2.example.com'
}

kumo.on('init', function()
  kumo.define_spool { name = 'data', path = './var/relay-to-mx-list/spool/data' }
  kumo.define_spool { name = 'meta', path = './var/relay-to-mx-list/spool/meta' }
  kumo.configure_local_logs { log_dir = './var/relay-to-mx-list/log', max_segment_duration = '1 minute' }

  kumo.start_esmtp_listener {
    listen = '127.0.0.1:2525', -- GO LIVE: '0.0.0.0:25'
    -- Clients that may send to anywhere; all others are refused at RCPT TO.
    relay_hosts = { '127.0.0.1', '10.0.0.0/8', '192.168.0.0/16' },
  }
  kumo.start_http_listener { listen = '127.0.0.1:8000' }
end)

-- There is a queue per recipient domain, and all of them lead to the same hosts.
kumo.on('get_queue_config', function(domain, tenant, campaign, routing_domain)
  return kumo.make_queue_config {
    protocol = { smtp = { mx_list = RELAYS } },
    -- After 2 minutes, then 4, 8, 16, 32, and every hour; after two days the message expires.
    retry_interval = '2 minutes',
    max_retry_interval = '1 hour',
    max_age = '2 days',
  }
end)

-- Queues with the same hosts share one site, so these limits hold for the relay as a whole.
kumo.on('get_egress_path_config', function(routing_domain, egress_source, site_name)
  return kumo.make_egress_path {
    connection_limit = 10,
    max_message_rate = '500/s',
    max_deliveries_per_connection = 1000,
    -- TLS where it is offered; a certificate that is not for the name above makes the host fail.
    enable_tls = 'Opportunistic',
    prohibited_hosts = {}, -- GO LIVE: delete; by default nothing is sent to this machine itself
  }
end)
