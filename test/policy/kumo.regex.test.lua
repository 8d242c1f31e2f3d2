local kumo = require 'kumo'
local test = require 'testing'
local compile = kumo.regex.compile

test('matching is unanchored', function()
  local re = compile [[b+]]
  test.equal(re:is_match 'abbc', true)
  test.equal(re:is_match 'ac', false)
  test.equal(re:find 'abbcb', 'bb')
  test.equal(re:find 'ac', nil)
  test.equal(re:find_all 'abbcb', { 'bb', 'b' })
  test.equal(tostring(re), 'b+')
end)

test('captures', function()
  local re = compile [[(?P<user>\w+)@(\w+)(\.com)?]]
  test.equal(re:captures 'to: me@here', { [0] = 'me@here', 'me', 'here', user = 'me' })
  test.equal(re:captures 'x', nil)
  test.equal(compile('(?<n>a)').captures(compile '(?<n>a)', 'a').n, 'a')
end)

test('replacing', function()
  local re = compile [[(?P<a>\d)(\d)]]
  test.equal(re:replace('12 34', '$2$1'), '21 34')
  test.equal(re:replace_all('12 34', '${2}x$a$$'), '2x1$ 4x3$')
  test.equal(re:replacen('12 34 56', 2, '-'), '- - 56')
  test.equal(re:replacen('12 34 56', 0, '-'), '- - -')
  -- The longest name wins: there is no group `2x`.
  test.equal(re:replace('12', '$2x'), '')
  test.equal(compile('a*'):replace_all('baac', '-'), '-b-c-')
end)

test('splitting keeps empty pieces', function()
  test.equal(compile('[,;]'):split 'a,b;,c', { 'a', 'b', '', 'c' })
  test.equal(compile(','):split '', { '' })
end)

test('classes are those of Unicode', function()
  test.equal(compile([[^\w+$]]):is_match 'größe', true)
  test.equal(compile([[^[\w-]+$]]):is_match 'groß-e', true)
  test.equal(compile([[^\d$]]):is_match '٣', true)
  test.equal(compile([[\s]]):is_match 'a b', true)
  test.equal(compile([==[[[:alpha:]]+]==]):find '12ab', 'ab')
  test.equal(compile([==[[]]+]==]):find 'a]', ']')
end)

test('what is not there is an error that names the pattern', function()
  test.raises("the pattern 'a(?=b)' uses look-around", compile, 'a(?=b)')
  test.raises('look-around', compile, '(?<!a)b')
  test.raises([[the pattern '(a)\1' uses back-references]], compile, [[(a)\1]])
  test.raises("the pattern '(' is invalid", compile, '(')
  test.equal(compile([[\\1]]):is_match [[\1]], true)
  test.equal(compile([[\(?!]]):is_match '!', true)
end)

test('escape', function()
  local text = [[a.b*c[d]-e$]]
  test.equal(compile('^' .. kumo.regex.escape(text) .. '$'):is_match(text), true)
  test.equal(compile(kumo.regex.escape '.'):is_match 'a', false)
end)

test('hostile texts take no time', function()
  test.equal(compile([[(a+)+$]]):is_match(('a'):rep(5000) .. 'b'), false)
end)
