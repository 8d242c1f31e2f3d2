local kumo = require 'kumo'
local test = require 'testing'

local inject = kumo.api.inject

-- The answer of a refusal is the way of this handler to tell the tests what it saw.
kumo.on('http_message_generated', function(msg, auth)
  local user = msg:recipient().user
  if user == 'tell' then
    kumo.reject(
      550,
      auth.peer_address
        .. ' '
        .. auth.identities[1].identity
        .. ' '
        .. msg:get_meta 'reception_protocol'
        .. ' '
        .. msg:get_meta 'received_from'
        .. ' '
        .. msg:get_meta('extra').campaign
    )
  elseif user == 'broken' then
    error 'boom'
  end
end)

local function request(changes)
  local made = {
    envelope_sender = 'sender@example.org',
    recipients = { { email = 'rcpt@dest.example', name = 'Ann', substitutions = { shoe = 42 } } },
    content = { text_body = 'Hello {{ name }}, size {{ shoe }}', subject = 'Shoes for {{ name }}' },
  }
  for name, value in pairs(changes or {}) do
    made[name] = value
  end
  return made
end

test('inject_v1 answers as the HTTP API does', function()
  local answer = inject.inject_v1(request())
  test.equal(answer, { success_count = 1, fail_count = 0, failed_recipients = {}, errors = {} })
end)

test('who failed is told, the others go on', function()
  local answer = inject.inject_v1(request {
    recipients = {
      { email = 'good@dest.example' },
      { email = 'no address' },
      { email = 'tell@dest.example', metadata = { campaign = 'spring' } },
    },
  })
  test.equal(answer.success_count, 1)
  test.equal(answer.fail_count, 2)
  test.equal(answer.failed_recipients, { 'no address', 'tell@dest.example' })
  test.equal(answer.errors, {
    'no address: it is no mail address',
    'tell@dest.example: 550 127.0.0.1 kumomta.internal HTTP 127.0.0.1 spring',
  })
end)

test('an error in policy fails its recipient', function()
  local answer = inject.inject_v1(request { recipients = { { email = 'broken@dest.example' } } })
  test.equal(answer.fail_count, 1)
  test.matches(answer.errors[1], '^broken@dest.example: .*kumo.api.inject.test.lua:%d+: boom')
end)

test('build_v1 gives the messages and keeps nothing', function()
  local messages = inject.build_v1(request {
    recipients = { { email = 'a@dest.example', name = 'Ann' }, { email = 'b@dest.example' } },
    template_dialect = 'Handlebars',
  })
  test.equal(#messages, 2)
  test.equal(messages[1]:recipient().email, 'a@dest.example')
  test.equal(messages[1]:sender().email, 'sender@example.org')
  test.equal(messages[1]:get_first_named_header_value 'Subject', 'Shoes for Ann')
  test.equal(messages[1]:get_first_named_header_value 'To', 'Ann <a@dest.example>')
  test.matches(messages[1]:get_data(), 'Hello Ann, size')
  test.equal(messages[2]:get_first_named_header_value 'Subject', 'Shoes for')
end)

test('empty tables are lists where lists are wanted, and objects elsewhere', function()
  local answer = inject.inject_v1(request { recipients = {} })
  test.equal({ answer.success_count, answer.fail_count }, { 0, 0 })
  answer = inject.inject_v1(request {
    substitutions = {},
    content = { text_body = 'x', attachments = {}, headers = {} },
    trace_headers = { include_meta_names = {} },
  })
  test.equal(answer.success_count, 1)
end)

test('what is unfit raises', function()
  test.raises('unknown field `colour`', inject.inject_v1, request { colour = 'red' })
  test.raises('envelope_sender', inject.inject_v1, request { envelope_sender = 'a b' })
  test.raises('recipients.0.email', inject.inject_v1, request { recipients = { { email = 5 } } })
  test.raises("in template 'text_body.txt' line 1", inject.inject_v1, request { content = { text_body = '{{' } })
  test.raises('a@dest.example: undefined value', inject.build_v1, request {
    recipients = { { email = 'a@dest.example' } },
    content = { text_body = '{{ no.such.thing }}' },
  })
end)
