local kumo = require 'kumo'
local test = require 'testing'

local late = kumo.time.now()

test('a call of what is not there names what was meant', function()
  local here = kumo
  test.raises("lua.names.test.lua:9: attempt to call a nil value (field 'start_esmpt_listener'); did you mean 'start_esmtp_listener'?", function()
    kumo.start_esmpt_listener {}
  end)
  test.raises("did you mean 'lookup_mx'?", function()
    return kumo.dns.lookup_mxx 'x'
  end)
  test.raises("did you mean 'lookup_mx'?", function()
    local dns = kumo.dns
    dns.lookup_xm 'x'
  end)
  test.raises("did you mean 'make_throttle'?", function()
    here.make_throtle('a', '1/s')
  end)
  test.raises("(field 'dsn'); did you mean 'dns'?", function()
    return here.dsn.lookup_mx 'x'
  end)
  test.raises("(global 'pirnt'); did you mean 'print'?", function()
    pirnt 'x'
  end)
  test.raises("(method 'trimm')", function()
    local s = 'x'
    return s:trimm()
  end)
  test.raises("did you mean 'format'?", function()
    return ('%d'):fromat(1)
  end)
end)

test('methods and fields of objects', function()
  local message = kumo.make_message('a@example.com', 'b@example.com', 'Subject: x\r\n\r\nx\r\n')
  test.raises("(method 'set_mata'); did you mean 'set_meta'?", function()
    message:set_mata('a', 1)
  end)
  test.raises("(method 'fromat'); did you mean 'format'?", function()
    return late:fromat '%Y'
  end)
  test.raises("(method 'frm_header'); did you mean 'from_header'?", function()
    return message:frm_header()
  end)
end)

test('who only asks gets nil', function()
  test.equal(kumo.start_esmpt_listener, nil)
  test.equal(kumo.nats, nil)
  test.equal(kumo.foo and kumo.foo.bar, nil)
  local message = kumo.make_message('a@example.com', 'b@example.com', 'Subject: x\r\n\r\nx\r\n')
  test.equal(message.set_mata, nil)
end)

test('what comes later says so', function()
  for _, name in ipairs { 'amqp', 'kafka', 'nats' } do
    local fn = load(("local kumo = require 'kumo'; return kumo.%s.anything()"):format(name))
    test.raises(('kumo.%s comes in a later release of Moonpost'):format(name), fn)
  end
  test.raises("module 'readis' not found", require, 'readis')
end)

test('errors about other values are as they were', function()
  local t = { inner = {} }
  test.raises("attempt to call a nil value (field 'zzzzzzzzzz')", function()
    t.inner.zzzzzzzzzz()
  end)
  test.raises("attempt to call a table value (field 'inner')", function()
    t.inner()
  end)
  test.raises("attempt to call a nil value (local 'nothing')", function()
    local nothing
    nothing()
  end)
  local many = {}
  for i = 1, 5000 do
    many['key' .. i] = print
  end
  test.raises("(field 'keyy')", function()
    many.keyy()
  end)
end)
