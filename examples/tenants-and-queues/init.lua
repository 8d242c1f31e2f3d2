--[[
Mail of several customers through one server: every tenant has its own queues, its own rate and its own
addresses to send from, so that what one of them does hurts nobody else.

A message names its tenant, and perhaps a campaign, in headers that are removed:

  X-Tenant: acme
  X-Campaign: spring

Try it: in one shell run a server that swallows mail, in another this policy, in a third send something.

  node bin/moonpost.js sink --listen 127.0.0.1:2526
  node bin/moonpost.js --policy examples/tenants-and-queues/init.lua
  swaks --server 127.0.0.1:2525 --to joe@example.com --header 'X-Tenant: acme' --header 'X-Campaign: spring'

Before real use change the lines marked GO LIVE.
]]
local kumo = require 'kumo'

-- pool: which addresses send for the tenant. rate: how fast its mail may leave each of its queues.
local TENANTS = {
  acme = { pool = 'premium', rate = '100/s' },
  bolt = { pool = 'shared', rate = '10/s' },
}

-- A pool is a list of sources with weights: of four messages from `premium`, three leave by out1.
local POOLS = {
  premium = { { name = 'out1', weight = 3 }, { name = 'out2', weight = 1 } },
  shared = { { name = 'out3', weight = 1 } },
}

-- A source is an address of this machine. Without source_address the system chooses.
local SOURCES = {
  out1 = { ehlo_domain = 'out1.example.com' }, -- GO LIVE: add source_address = '192.0.2.1', and so on
  out2 = { ehlo_domain = 'out2.example.com' },
  out3 = { ehlo_domain = 'out3.example.com' },
}

kumo.on('init', function()
  kumo.define_spool { name = 'data', path = './var/tenants-and-queues/spool/data' }
  kumo.define_spool { name = 'meta', path = './var/tenants-and-queues/spool/meta' }
  kumo.configure_local_logs {
    log_dir = './var/tenants-and-queues/log',
    max_segment_duration = '1 minute',
    -- These go into every record of the message.
    meta = { 'tenant', 'campaign' },
  }
  kumo.start_esmtp_listener { listen = '127.0.0.1:2525' } -- GO LIVE: '0.0.0.0:25', relay_hosts = { ... }
  kumo.start_http_listener { listen = '127.0.0.1:8000' }
end)

-- The metadata `tenant` and `campaign` decide about the queue: CAMPAIGN:TENANT@DOMAIN.
kumo.on('smtp_server_message_received', function(msg)
  local tenant = msg:get_first_named_header_value 'X-Tenant'
  if not tenant or not TENANTS[tenant] then
    -- The client hears this reply, nothing is kept, and the log has a Rejection.
    kumo.reject(550, '5.7.1 unknown tenant ' .. (tenant or '(no X-Tenant header)'))
  end
  msg:set_meta('tenant', tenant)
  local campaign = msg:get_first_named_header_value 'X-Campaign'
  if campaign then
    msg:set_meta('campaign', campaign)
  end
  msg:remove_x_headers { 'X-Tenant', 'X-Campaign' }
end)

-- Asked once per queue and minute.
kumo.on('get_queue_config', function(domain, tenant, campaign, routing_domain)
  local customer = TENANTS[tenant]
  if not customer then
    -- Cannot happen to mail taken by this file; a queue from before an edit may be in the spool.
    return kumo.make_queue_config {}
  end
  return kumo.make_queue_config {
    egress_pool = customer.pool,
    max_message_rate = customer.rate,
    max_age = '3 days',
    -- GO LIVE: delete `protocol`. Mail then goes to the MX of each domain.
    protocol = { smtp = { mx_list = { { name = 'sink.example.com', addr = '127.0.0.1:2526' } } } },
  }
end)

kumo.on('get_egress_pool', function(name)
  return kumo.make_egress_pool { name = name, entries = POOLS[name] }
end)

kumo.on('get_egress_source', function(name)
  local source = SOURCES[name]
  return kumo.make_egress_source {
    name = name,
    ehlo_domain = source.ehlo_domain,
    source_address = source.source_address,
  }
end)

-- Per source and site: how hard to knock at one destination from one address.
kumo.on('get_egress_path_config', function(routing_domain, egress_source, site_name)
  return kumo.make_egress_path {
    connection_limit = 5,
    max_connection_rate = '60/min',
    prohibited_hosts = {}, -- GO LIVE: delete; by default nothing is sent to this machine itself
  }
end)
