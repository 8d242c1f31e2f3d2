--[[
Bounce mails: whoever sends through this server gets a report when a message of theirs cannot be delivered, as from
any mail server for people. (Senders in bulk read the Bounce records of the log instead, and want no such mail.)

Try it: in one shell run a server that refuses every recipient and one that swallows mail, in another this policy, in
a third send something; the report arrives at the second server, in the maildir ./reports.

  node bin/moonpost.js sink --listen 127.0.0.1:2526,rcpt=550@100% --listen 127.0.0.1:2527 --maildir reports
  node bin/moonpost.js --policy examples/bounce-mails/init.lua
  swaks --server 127.0.0.1:2525 --from ann@example.org --to nobody@example.com

Before real use change the lines marked GO LIVE.
]]
local kumo = require 'kumo'
local log_hooks = require 'policy-extras.log_hooks'

local HOSTNAME = 'mta.example.org' -- GO LIVE: the name of this server in DNS; the reports come from there

-- Reports go to senders of these domains alone. The sender of a message is what its client says it is, so that a
-- report to just anybody would be spam in our name.
local OWN_DOMAINS = { ['example.org'] = true } -- GO LIVE

-- So many a sender; beyond, the log alone tells. A program that mails a million dead addresses gets no million mails.
local MOST_REPORTS = '20/h'

kumo.on('init', function()
  kumo.define_spool { name = 'data', path = './var/bounce-mails/spool/data' }
  kumo.define_spool { name = 'meta', path = './var/bounce-mails/spool/meta' }
  kumo.configure_local_logs { log_dir = './var/bounce-mails/log', max_segment_duration = '1 minute' }

  kumo.start_esmtp_listener {
    listen = '127.0.0.1:2525', -- GO LIVE: '0.0.0.0:25'
    hostname = HOSTNAME,
    relay_hosts = { '127.0.0.1', '10.0.0.0/8', '192.168.0.0/16' },
  }
  kumo.start_http_listener { listen = '127.0.0.1:8000' }
end)

-- Runs for each message that is given up, while its record is logged and the message can still be read. The server
-- waits for it before it forgets the message, so that a report is on disk by then. What an administrator bounces
-- (`moonpost bounce`) is of another type, AdminBounce, and leads to no report.
log_hooks:new_disposition_hook {
  name = 'bounce_mails',
  log_parameters = {
    per_record = {
      Bounce = { enable = true },
      Expiration = { enable = true },
      Any = { enable = false },
    },
  },
  hook = function(msg, record)
    local domain = record.sender:match '@([^@]+)$'
    if not domain or not OWN_DOMAINS[domain:lower()] then
      return -- not ours; or the null sender, as reports themselves have: nothing goes in circles
    end
    local budget = kumo.make_throttle('bounce-mails:' .. record.sender:lower(), MOST_REPORTS)
    if budget:throttle().throttled then
      return
    end
    -- From the null sender, to the sender of the message; nil when there is nobody to tell.
    local report = kumo.generate_rfc3464_message({
      enable_bounce = true,
      enable_expiration = true,
      -- The headers say which message it was. Its body may be long, and the sender has it.
      include_original_message = 'HeadersOnly',
      reporting_mta = { mta_type = 'dns', name = HOSTNAME },
    }, msg, record)
    if report then
      kumo.inject_message(report)
    end
  end,
}

kumo.on('get_queue_config', function(domain, tenant, campaign, routing_domain)
  -- GO LIVE: delete `protocol` and this table; mail then goes to the MX of each domain.
  local own = { name = 'mail.example.org', addr = '127.0.0.1:2527' }
  local others = { name = 'mx.example.com', addr = '127.0.0.1:2526' }
  return kumo.make_queue_config {
    protocol = { smtp = { mx_list = { OWN_DOMAINS[domain] and own or others } } },
    retry_interval = '10 minutes',
    max_retry_interval = '4 hours',
    max_age = '3 days', -- then it expires, which is reported too
  }
end)

kumo.on('get_egress_path_config', function(routing_domain, egress_source, site_name)
  return kumo.make_egress_path {
    connection_limit = 20,
    enable_tls = 'Opportunistic',
    prohibited_hosts = {}, -- GO LIVE: delete; by default nothing is sent to this machine itself
  }
end)
