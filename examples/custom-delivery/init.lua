--[[
Delivery by policy: mail for some domains becomes a POST to a web service, instead of SMTP.

Try it: in one shell run a web service that answers 200, in another this policy, in a third send something.

  node -e "require('http').createServer((q, s) => { q.pipe(process.stdout); s.end('ok') }).listen(2527)"
  node bin/moonpost.js --policy examples/custom-delivery/init.lua
  swaks --server 127.0.0.1:2525 --to joe@app.example

Before real use change the lines marked GO LIVE.
]]
local kumo = require 'kumo'

-- Where the mail of each domain is posted to; mail for any other domain is refused.
local WEBHOOKS = {
  ['app.example'] = 'http://127.0.0.1:2527/mail', -- GO LIVE: 'https://…'
}

kumo.on('init', function()
  kumo.define_spool { name = 'data', path = './var/custom-delivery/spool/data' }
  kumo.define_spool { name = 'meta', path = './var/custom-delivery/spool/meta' }
  kumo.configure_local_logs { log_dir = './var/custom-delivery/log', max_segment_duration = '1 minute' }

  kumo.start_esmtp_listener {
    listen = '127.0.0.1:2525', -- GO LIVE: '0.0.0.0:25'
    relay_hosts = { '0.0.0.0/0' },
  }
  kumo.start_http_listener { listen = '127.0.0.1:8000' }
end)

kumo.on('smtp_server_rcpt_to', function(rcpt)
  if not WEBHOOKS[rcpt.domain] then
    kumo.reject(550, '5.1.2 no mail for ' .. rcpt.domain)
  end
end)

kumo.on('get_queue_config', function(domain)
  return kumo.make_queue_config {
    -- `constructor` names the event below that makes the connections.
    protocol = { custom_lua = { constructor = 'make.webhook' } },
    retry_interval = '1 minute',
    max_retry_interval = '20 minutes',
    max_age = '1 day',
  }
end)

kumo.on('get_egress_path_config', function()
  return kumo.make_egress_path {
    connection_limit = 4, -- as many requests at the same time
    max_message_rate = '50/s',
    idle_timeout = '60s', -- how long a connection without mail is kept
  }
end)

-- Makes one connection. What it keeps, here the HTTP client with its open sockets, serves many messages.
kumo.on('make.webhook', function(domain, tenant, campaign)
  local connection = { client = kumo.http.build_client { timeout = '30s' }, url = WEBHOOKS[domain] }

  -- Called for each message. What it returns is the response of the Delivery record. kumo.reject with 400 to 499
  -- has the message tried again later, with another code it bounces; any other error counts as 400.
  function connection:send(message)
    local response = self
      .client
      :post(self.url)
      :header('Content-Type', 'message/rfc822')
      :header('X-Sender', message:sender().email)
      :header('X-Recipient', message:recipient().email)
      :header('X-Attempt', tostring(message:num_attempts()))
      :body(message:get_data())
      :send()
    local answer = string.format('%d %s', response:status_code(), response:text())
    if response:status_is_success() then
      return answer
    end
    -- The service says that it will never take this message.
    if response:status_code() == 422 then
      kumo.reject(550, '5.6.0 ' .. answer)
    end
    kumo.reject(450, '4.3.0 ' .. answer)
  end

  -- Called once when the connection ends; may be left out.
  function connection:close()
    self.client = nil
  end

  return connection
end)
