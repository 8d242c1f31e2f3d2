local kumo = require 'kumo'
local test = require 'testing'
local time = kumo.time

test('making times', function()
  local t = time.from_unix_timestamp(1)
  test.equal(tostring(t), '1970-01-01 00:00:01 UTC')
  test.equal(time.parse_rfc3339('2026-01-01T02:00:00+02:00').rfc3339, '2026-01-01T00:00:00+00:00')
  test.equal(time.parse_rfc2822('Thu, 1 Jan 2026 00:00:00 +0000').unix_timestamp, 1767225600)
  test.equal(time.with_ymd_hms(2024, 2, 29, 1, 2, 3).rfc3339, '2024-02-29T01:02:03+00:00')
  test.raises('is no time', time.with_ymd_hms, 2023, 2, 29, 0, 0, 0)
  test.raises('is no time', time.parse_rfc3339, 'yesterday')
  test.raises('is no time', time.parse_rfc2822, 'yesterday')
  test.raises('is no time', time.from_unix_timestamp, 1e300)
end)

test('arithmetic and order', function()
  local a, b = time.from_unix_timestamp(100), time.from_unix_timestamp(160.5)
  test.equal((b - a).seconds, 60.5)
  test.equal(tostring(b - a), '1m 500ms')
  test.equal(tostring(a - b), '-1m 500ms')
  test.equal(a + (b - a) == b, true)
  test.equal(b - time.parse_duration '60s 500ms' == a, true)
  test.equal({ a == b, a < b, a <= b, a > b }, { false, true, true, false })
  test.equal(time.parse_duration('1h') + time.parse_duration(60) == time.parse_duration '61m', true)
  test.equal((time.parse_duration '1h' - time.parse_duration '1m').human, '59m')
  test.raises('can be added', function()
    return a + b
  end)
  test.raises('cannot be compared', function()
    return a < time.parse_duration(1)
  end)
end)

test('formats', function()
  local t = time.parse_rfc3339 '2026-03-05T07:08:09.042Z'
  test.equal(t:format '%Y-%m-%d %H:%M:%S%.3f %a %j %%f', '2026-03-05 07:08:09.042 Thu 064 %f')
  test.equal(t:format '%-d/%-m %:z %Z %s %3f', '5/3 +00:00 UTC 1772694489 042')
  test.raises('invalid conversion', t.format, t, '%Q')
end)

test('timers', function()
  local timer = time.start_timer 'x'
  local first = timer:done()
  test.equal(first >= 0 and first < 10, true)
  test.equal(timer:done(), nil)
  local seen
  do
    local inner <close> = time.start_timer 'y'
    seen = inner
  end
  test.equal(seen:done(), nil)
end)
