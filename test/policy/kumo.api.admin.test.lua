local kumo = require 'kumo'
local test = require 'testing'

local suspend = kumo.api.admin.suspend
local bounce = kumo.api.admin.bounce
local ready = kumo.api.admin.suspend_ready_q

test('an entry is listed until it is deleted', function()
  local id = suspend.suspend { tenant = 'a', domain = 'dest.example', reason = 'why', duration = '1h' }
  local listed = suspend.list()
  test.equal(#listed, 1)
  test.equal({ listed[1].id, listed[1].tenant, listed[1].domain, listed[1].campaign, listed[1].reason }, {
    id,
    'a',
    'dest.example',
    nil,
    'why',
  })
  test.equal(suspend.delete(id), true)
  test.equal(suspend.delete(id), false)
  test.equal(#suspend.list(), 0)
end)

test('the same criteria replace, and kinds do not meet', function()
  local first = bounce.bounce { domain = 'd', reason = 'one' }
  local second = bounce.bounce { domain = 'd', reason = 'two', suppress_logging = true }
  test.equal(first ~= second, true)
  local listed = bounce.list()
  test.equal({ #listed, listed[1].id, listed[1].reason, listed[1].total_bounced }, { 1, second, 'two', 0 })
  test.equal(#ready.list(), 0)
  test.equal(suspend.delete(second), false)
  test.equal(bounce.delete(second), true)
end)

test('a ready queue by its name', function()
  local id = ready.suspend { name = 'a->b@smtp_client', reason = 'r', expires = '2099-01-01T00:00:00Z' }
  local listed = ready.list()
  test.equal({ listed[1].name, listed[1].expires }, { 'a->b@smtp_client', '2099-01-01T00:00:00.000Z' })
  test.equal(ready.delete(id), true)
end)

test('what is wrong is said', function()
  test.raises('reason', suspend.suspend, { domain = 'd' })
  test.raises('routing_domian', suspend.suspend, { routing_domian = 'd', reason = 'r' })
  test.raises("'soon' is no duration", bounce.bounce, { reason = 'r', duration = 'soon' })
  test.raises('this time is over', bounce.bounce, { reason = 'r', expires = '2001-01-01T00:00:00Z' })
  test.raises('name', ready.suspend, { reason = 'r' })
end)
