local kumo = require 'kumo'
local test = require 'testing'

local QUEUE = 'http://10.0.0.1:8000/.xfer.kumomta.internal'

local function message(meta)
  local m = kumo.make_message('from@x.example', 'to@y.example', 'Subject: x\r\n\r\nx\r\n')
  for name, value in pairs(meta or {}) do
    m:set_meta(name, value)
  end
  return m
end

test('a message is sent to a node and taken back', function()
  local m = message { tenant = 'blue' }
  test.equal(kumo.xfer.get_xfer_target(m), nil)
  kumo.xfer.xfer(m, 'http://10.0.0.1:8000', 'because')
  test.equal(m:queue_name(), QUEUE)
  test.equal(kumo.xfer.get_xfer_target(m), 'http://10.0.0.1:8000/')
  test.equal(m:get_meta('xfer_queue_info').tenant, 'blue')
  kumo.xfer.cancel_xfer(m)
  test.equal(m:queue_name(), 'blue@y.example')
  test.equal(m:get_meta 'xfer_queue_info', nil)
  test.raises('not on its way', kumo.xfer.cancel_xfer, m)
end)

test('while it is requeued it takes along the attempt and the time of the next one', function()
  local m = message()
  kumo.xfer.xfer_in_requeue(m, 'http://10.0.0.1:8000', { 'LoggedTransientFailure' }, true, kumo.time.parse_duration '1h')
  local kept = m:get_meta 'xfer_queue_info'
  test.equal(kept.attempts, 1)
  test.equal(type(kept.due), 'string')
  test.equal(m:queue_name(), QUEUE)
  m = message()
  kumo.xfer.xfer_in_requeue(m, 'http://10.0.0.1:8000', {}, false, nil, 'gone')
  test.equal(m:get_meta('xfer_queue_info').attempts, 0)
end)

test('what is no node is refused', function()
  test.raises('target: expected a URL', kumo.xfer.xfer, message(), 'here')
  test.raises('target: a URL with user', kumo.xfer.xfer, message(), 'http://me:secret@node.example')
end)
