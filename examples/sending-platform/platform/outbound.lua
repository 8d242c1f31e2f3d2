-- Mail that customers send: whose it is, where it goes, when, and what we add to it.
local kumo = require 'kumo'
local settings = require 'platform.settings'

local outbound = {}

local NOT_IN_NAMES = kumo.regex.compile '[^a-z0-9]+'

--- `Spring Sale!` is the campaign `spring-sale`.
local function campaign_name(text)
  local name = NOT_IN_NAMES:replace_all(text:lower(), '-')
  return name:match '^%-*(.-)%-*$'
end

local function import(msg, role)
  local specs = {
    { name = 'X-Campaign', target = 'campaign', remove = true },
    { name = 'X-Job-Id', target = 'job_id' },
    { name = 'X-Tag-*', match = 'all', transform = 'snake_case', remove = true },
  }
  -- After AUTH the account says who the tenant is, and no header does.
  if role == 'inject' then
    table.insert(specs, { name = 'X-Tenant', match = 'first', target = 'tenant', remove = true })
  else
    msg:remove_all_named_headers 'X-Tenant'
  end
  msg:import_headers(specs)
end

local function check_author(msg, tenant)
  local from = msg:from_header()
  if from == nil or #from.list ~= 1 then
    kumo.reject(550, '5.6.0 one author in From, please')
  end
  local domain = from.domain:lower()
  for _, allowed in ipairs(tenant.from_domains) do
    if domain == allowed or kumo.string.ends_with(domain, '.' .. allowed) then
      return
    end
  end
  kumo.reject(550, ('5.7.1 %s may not send as %s'):format(msg:get_meta 'tenant', from.email))
end

local function check_content(msg)
  local problem = msg:check_fix_conformance(
    'MISSING_COLON_VALUE|NAME_ENDS_WITH_SPACE',
    'MISSING_DATE_HEADER|MISSING_MESSAGE_ID_HEADER|MISSING_MIME_VERSION|NEEDS_TRANSFER_ENCODING|LINE_TOO_LONG'
  )
  if problem then
    kumo.reject(550, '5.6.0 ' .. problem)
  end
end

--- When the customer wants it sent, else the hours that the tenant has agreed to.
local function schedule(msg, tenant)
  if msg:get_first_named_header_value 'X-Schedule' then
    local ok, problem = pcall(msg.import_scheduling_header, msg, 'X-Schedule', true)
    if not ok then
      kumo.log_info('X-Schedule refused:', tostring(problem))
      kumo.reject(550, '5.6.0 X-Schedule is not as it should be')
    end
  elseif tenant.window then
    msg:set_scheduling {
      dow = tenant.window.dow,
      tz = tenant.window.tz,
      start = tenant.window.start,
      ['end'] = tenant.window['end'],
    }
  end
end

local function add_to(msg, name, tenant)
  if tenant.footer then
    msg:append_text_plain(kumo.string.eval_template('footer.txt', tenant.footer, { tenant = name }))
    msg:append_text_html(kumo.string.eval_template('footer.html', '<p>' .. tenant.footer .. '</p>', { tenant = name }))
  end
  local campaign = msg:get_meta 'campaign'
  if campaign then
    local token = kumo.encode.base64url_nopad_encode(('%s/%s'):format(campaign, msg:recipient_list()[1].email))
    msg:prepend_header('List-Unsubscribe-Post', 'List-Unsubscribe=One-Click')
    msg:prepend_header('List-Unsubscribe', ('<https://platform.example/u/%s>'):format(token))
  end
  msg:prepend_header('Feedback-ID', ('%s:%s:platform'):format(campaign or 'none', name), true)
end

function outbound.message_received(msg, conn_meta)
  import(msg, conn_meta:get_meta 'role')
  local name = msg:get_meta 'tenant'
  local tenant = settings.tenant(name)
  if tenant == nil then
    kumo.reject(550, '5.7.1 unknown tenant ' .. tostring(name))
  end
  if tenant.suspended then
    kumo.reject(450, '4.7.1 the tenant is suspended, try later')
  end

  local campaign = msg:get_meta 'campaign'
  if campaign then
    local short = campaign_name(campaign)
    msg:set_meta('campaign', short ~= '' and short or nil)
  end
  check_author(msg, tenant)
  check_content(msg)
  schedule(msg, tenant)
  add_to(msg, name, tenant)
  msg:set_meta('accepted_at', kumo.time.now().rfc3339)

  -- Mail from customer to customer stays here.
  local domain = settings.domains()[msg:recipient_list()[1].domain:lower()]
  local is_ours = domain and domain.relay_to
  if tenant.discard then
    msg:set_meta('queue', 'null')
  elseif settings.staging_relay and not is_ours then
    msg:set_meta('routing_domain', settings.staging_relay)
  end
end

-- The pace of a tenant over all its queues. What is too early waits in its queue, without an attempt.
function outbound.throttle(msg)
  local name = msg:get_meta 'tenant'
  local tenant = settings.tenant(name)
  if tenant and tenant.rate then
    kumo.make_throttle('tenant-' .. name, tenant.rate):delay_message_if_throttled(msg)
  end
end

return outbound
