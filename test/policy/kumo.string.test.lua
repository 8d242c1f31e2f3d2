local kumo = require 'kumo'
local test = require 'testing'
local s = kumo.string

test('pieces', function()
  test.equal(s.split('a.b.c', '.'), { 'a', 'b', 'c' })
  test.equal(s.rsplit('a.b.c', '.'), { 'c', 'b', 'a' })
  test.equal(s.splitn('a.b.c', 2, '.'), { 'a', 'b.c' })
  test.equal(s.split_whitespace ' a  b ', { 'a', 'b' })
end)

test('the assert library sees differences', function()
  test.raises('expected', test.equal, { 1, { 2 } }, { 1, { 3 } })
  test.raises('expected', test.equal, { 1 }, { 1, 2 })
  test.raises('expected', test.equal, 1, 1.5)
  test.raises('got none', test.raises, 'x', function() end)
  test.raises('to match', test.matches, 'abc', '^b')
end)
