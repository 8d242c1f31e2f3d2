-- Connections, and mail that comes in: for domains that we host, and reports about mail that we sent.
local kumo = require 'kumo'
local settings = require 'platform.settings'

local inbound = {}

local BAD_EHLO = kumo.regex.compile [[(?i)^(localhost|\[?127\.\d+\.\d+\.\d+\]?|.*\.(dyn|dialup)\..*)$]]
local DISPOSABLE = kumo.regex_set_map.new {
  ['(?i)^(mail|temp)inator\\.'] = 'disposable',
  ['(?i)\\.invalid$'] = 'no such domain',
}

--- The address of the client, without its port.
local function client_ip(conn_meta)
  local peer = conn_meta:get_meta 'received_from'
  local pieces = kumo.string.rsplitn(peer, 2, ':')
  return pieces[2]
end

function inbound.connection_accepted(conn_meta)
  local opinion = settings.networks()[conn_meta:get_meta 'received_from']
  if opinion == nil then
    return
  end
  if opinion.block then
    kumo.reject(554, '5.7.1 ' .. opinion.block)
  end
  if opinion.zone then
    conn_meta:set_meta('zone', opinion.zone)
  end
end

function inbound.ehlo(domain, conn_meta, extensions)
  if conn_meta:get_meta 'role' ~= 'mx' then
    return
  end
  if BAD_EHLO:is_match(domain) then
    kumo.reject(550, ('5.7.1 %s is not your name'):format(domain))
  end
end

function inbound.mail_from(sender, conn_meta)
  local role = conn_meta:get_meta 'role'
  if role == 'submission' and not conn_meta:get_meta 'authn_id' then
    kumo.reject(530, '5.7.0 Authentication required')
  end
  if role == 'mx' and sender.domain ~= '' then
    local why = DISPOSABLE[sender.domain]
    if why then
      kumo.reject(550, ('5.1.8 %s: %s'):format(sender.domain, why))
    end
  end
end

function inbound.rcpt_to(recipient, conn_meta)
  if conn_meta:get_meta 'role' ~= 'mx' then
    return
  end
  local domain = settings.domains()[recipient.domain:lower()]
  if domain and domain.mailboxes then
    local user = recipient.user:lower()
    for _, mailbox in ipairs(domain.mailboxes) do
      if mailbox == user then
        return
      end
    end
    kumo.reject(550, ('5.1.1 no mailbox %s here'):format(recipient.email))
  end
end

-- Asked for the domain of the sender and for that of the recipient.
function inbound.get_listener_domain(domain, listener, conn_meta)
  local entry = settings.domains()[domain:lower()]
  if entry == nil then
    return nil
  end
  return kumo.make_listener_domain {
    relay_to = entry.relay_to,
    relay_from = entry.relay_from,
    log_oob = entry.log_oob,
    log_arf = entry.log_arf,
  }
end

function inbound.message_received(msg, conn_meta)
  -- Headers that only we write are not believed when others bring them.
  msg:remove_x_headers { 'X-Tenant', 'X-Campaign', 'X-Platform-Zone' }
  local ip = client_ip(conn_meta)
  msg:prepend_header('X-Platform-Zone', ('%s (%s)'):format(conn_meta:get_meta 'zone', ip))
  local problem = msg:check_fix_conformance(
    'MISSING_COLON_VALUE',
    'MISSING_DATE_HEADER|MISSING_MESSAGE_ID_HEADER|NEEDS_TRANSFER_ENCODING'
  )
  if problem then
    kumo.reject(550, '5.6.0 ' .. problem)
  end
  -- Mail to postmaster of any hosted domain is for one mailbox.
  local recipient = msg:recipient()
  if recipient.user:lower() == 'postmaster' then
    msg:set_recipient 'staff@hosted.example'
  end
end

return inbound
