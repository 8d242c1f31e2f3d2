--[[
A whole policy of data files: everything that changes from day to day is said in the six files of data/, and not here.

  sources.toml           the addresses that mail leaves from, and the pools of them
  queues.toml            tenants and campaigns, how long and how often mail is tried, how fast it may go
  listener_domains.toml  for whom mail is taken in
  shaping.toml           how hard to knock at which receivers
  dkim.toml              what is signed, and with which keys
  webhook.toml           where the records of the log go

A file takes effect within two seconds after it is saved. When something in it is wrong, what was said before stays in
force, and `moonpost policy status` names the file, the line and what is wrong. Before that:

  moonpost --validate --policy examples/data-files/init.lua
  moonpost validate-shaping examples/data-files/data/shaping.toml

Try it: make two keys. Start a server that swallows mail, and the policy, each in a shell of its own; then send
something, and look at what holds. (Nobody listens at the address in webhook.toml: what should go there waits on disk.)

  mkdir -p var/data-files/keys
  openssl genrsa -out var/data-files/keys/acme.key 2048
  openssl genpkey -algorithm ed25519 -out var/data-files/keys/platform.key
  moonpost sink --listen 127.0.0.1:2526 --maildir ./var/data-files/mail
  moonpost --policy examples/data-files/init.lua
  swaks --server 127.0.0.1:2525 --from news@acme.example --to joe@example.com --header 'X-Tenant: acme'
  moonpost resolve-queue-config --policy examples/data-files/init.lua acme@example.com
  moonpost resolve-shaping-domain --policy examples/data-files/init.lua example.com ip-1

Before real use change the lines marked GO LIVE, here and in the data files.
]]
local kumo = require 'kumo'
local dkim_sign = require 'policy-extras.dkim_sign'
local listener_domains = require 'policy-extras.listener_domains'
local log_hooks = require 'policy-extras.log_hooks'
local queue = require 'policy-extras.queue'
local shaping = require 'policy-extras.shaping'
local sources = require 'policy-extras.sources'

-- GO LIVE: the directory of the data files, such as /etc/moonpost/policy/data.
local DATA = 'examples/data-files/data'

kumo.on('init', function()
  kumo.define_spool { name = 'data', path = './var/data-files/spool/data' }
  kumo.define_spool { name = 'meta', path = './var/data-files/spool/meta' }
  kumo.configure_local_logs {
    log_dir = './var/data-files/log',
    max_segment_duration = '1 minute',
    meta = { 'tenant', 'campaign' },
  }
  -- GO LIVE: '0.0.0.0:25', hostname = 'mx.example.net', relay_hosts = { the networks that send through you }
  kumo.start_esmtp_listener { listen = '127.0.0.1:2525' }
  kumo.start_http_listener { listen = '127.0.0.1:8000' }
end)

-- The queue helper is the last, since it answers for every queue.
sources:setup { DATA .. '/sources.toml' }
kumo.on('get_listener_domain', listener_domains:setup { DATA .. '/listener_domains.toml' })
kumo.on('get_egress_path_config', shaping:setup { DATA .. '/shaping.toml' })
log_hooks:new_json(DATA .. '/webhook.toml')
local sign = dkim_sign:setup { DATA .. '/dkim.toml' }
local queues = queue:setup { DATA .. '/queues.toml' }

local function receive(msg)
  -- Tenant and campaign first: their headers are removed, and what is removed cannot be signed.
  queues:apply(msg)
  sign(msg)
end

kumo.on('smtp_server_message_received', receive)
kumo.on('http_message_generated', receive)
