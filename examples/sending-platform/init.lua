--[[
A sending platform: customers hand in mail over SMTP, the platform signs for where it comes from, sends it on time and
at the pace that each customer has, and takes bounces and mail for the domains that it hosts.

  init.lua               what is opened: spool, logs, listeners; which handler answers which event
  platform/settings.lua  places in the file system, and the data files, read once and kept
  platform/accounts.lua  AUTH from a database
  platform/inbound.lua   who may connect, and mail that comes in
  platform/outbound.lua  mail that customers send
  platform/egress.lua    queues, addresses to send from, and what happens after a failure
  data/                  tenants, domains, networks and addresses; edit them, no restart is needed

It is written as for KumoMTA, whose paths are the defaults. Elsewhere set these in the environment:

  KUMO_SPOOL_DIR  KUMO_LOG_DIR  KUMO_DATA_DIR  KUMO_MAIL_DIR          directories
  KUMO_MX_LISTEN  KUMO_SUBMISSION_LISTEN  KUMO_INJECT_LISTEN  KUMO_HTTP_LISTEN    IP:PORT
  KUMO_STAGING_RELAY  KUMO_BACKUP_RELAY                               [IP]:PORT, see below

Try it: in one shell a server that swallows mail, in another this policy, in a third send something.

  node bin/moonpost.js sink --listen 127.0.0.1:2526
  export KUMO_SPOOL_DIR=./var/platform/spool KUMO_LOG_DIR=./var/platform/log KUMO_MAIL_DIR=./var/platform/mail
  export KUMO_DATA_DIR=examples/sending-platform/data KUMO_STAGING_RELAY='[127.0.0.1]:2526'
  export KUMO_MX_LISTEN=127.0.0.1:2525 KUMO_SUBMISSION_LISTEN=127.0.0.1:2587 KUMO_INJECT_LISTEN=127.0.0.1:2588
  node bin/moonpost.js --policy examples/sending-platform/init.lua
  swaks --server 127.0.0.1:2588 --from news@acme.example --to joe@example.com \
    --header 'X-Tenant: acme' --header 'X-Campaign: Spring Sale'

With KUMO_STAGING_RELAY set all mail for the outside goes to that relay, and none to the internet.
]]
local kumo = require 'kumo'
local settings = require 'platform.settings'
local accounts = require 'platform.accounts'
local inbound = require 'platform.inbound'
local outbound = require 'platform.outbound'
local egress = require 'platform.egress'

-- Sizes and time-outs of the process come before everything that uses them.
kumo.on('pre_init', function()
  kumo.dns.set_mx_timeout '5 seconds'
  kumo.dns.set_mx_negative_cache_ttl '1 minute'
end)

local function start_spool()
  for _, name in ipairs { 'data', 'meta' } do
    kumo.define_spool {
      name = name,
      path = settings.spool_dir .. '/' .. name,
      kind = 'RocksDB',
    }
  end
end

local function start_logs()
  kumo.configure_local_logs {
    log_dir = settings.log_dir,
    max_segment_duration = '1 minute',
    headers = { 'Subject', 'X-Job-Id' },
    meta = { 'tenant', 'campaign', 'role', 'job_id', 'authn_id', 'zone' },
  }
end

-- The meta of a listener becomes that of its connections, and that of their messages: `role` says below
-- which rules hold.
local function start_listeners()
  -- Port 25: the world.
  kumo.start_esmtp_listener {
    listen = settings.mx_listen,
    hostname = 'mx.platform.example',
    banner = 'platform ready',
    relay_hosts = {},
    max_message_size = 10 * 1024 * 1024,
    max_recipients_per_message = 100,
    meta = { role = 'mx', zone = 'world' },
    -- By the address of the client.
    peer = {
      ['127.0.0.8/29'] = {
        max_message_size = 25 * 1024 * 1024,
        meta = { zone = 'partner' },
      },
      ['127.0.0.66'] = { max_messages_per_connection = 1 },
    },
    -- By the address that the client connected to.
    via = {
      ['127.0.0.2'] = { hostname = 'mx2.platform.example' },
    },
    trace_headers = { supplemental_header = false },
  }

  -- Port 587: customers, with a password over TLS.
  kumo.start_esmtp_listener {
    listen = settings.submission_listen,
    hostname = 'smtp.platform.example',
    relay_hosts = { '0.0.0.0/0', '::/0' }, -- smtp_server_mail_from below demands AUTH
    meta = { role = 'submission' },
    client_timeout = '2 minutes',
    invalid_line_endings = 'Fix',
  }

  -- Our own web application, on a network that nobody else is on.
  kumo.start_esmtp_listener {
    listen = settings.inject_listen,
    hostname = 'inject.platform.example',
    relay_hosts = { '127.0.0.0/8', '10.0.0.0/8' },
    meta = { role = 'inject' },
    batch_handling = 'BatchByDomain',
    max_messages_per_connection = 100000,
    trace_headers = { received_header = false, include_meta_names = { 'tenant', 'campaign' } },
  }

  kumo.start_http_listener { listen = settings.http_listen }
end

kumo.on('init', function()
  start_spool()
  start_logs()
  accounts.create_database()
  start_listeners()
end)

-- Handlers may run in any copy of this file: what they know of each other is in the metadata of the connection
-- and of the message.
kumo.on('smtp_server_connection_accepted', inbound.connection_accepted)
kumo.on('smtp_server_ehlo', inbound.ehlo)
kumo.on('smtp_server_auth_plain', accounts.auth_plain)
kumo.on('smtp_server_mail_from', inbound.mail_from)
kumo.on('smtp_server_rcpt_to', inbound.rcpt_to)
kumo.on('get_listener_domain', inbound.get_listener_domain)

kumo.on('smtp_server_message_received', function(msg, conn_meta)
  if conn_meta:get_meta 'role' == 'mx' then
    inbound.message_received(msg, conn_meta)
  else
    outbound.message_received(msg, conn_meta)
  end
end)

kumo.on('get_queue_config', egress.get_queue_config)
kumo.on('get_egress_pool', egress.get_egress_pool)
kumo.on('get_egress_source', egress.get_egress_source)
kumo.on('get_egress_path_config', egress.get_egress_path_config)
kumo.on('throttle_insert_ready_queue', outbound.throttle)
kumo.on('requeue_message', egress.requeue_message)
