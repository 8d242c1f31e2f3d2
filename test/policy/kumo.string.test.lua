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

test('public suffixes', function()
  test.equal(s.psl_domain 'MX.Example.CO.UK.', 'example.co.uk')
  test.equal(s.psl_suffix 'mx.example.co.uk', 'co.uk')
  test.equal(s.psl_domain 'me.github.io', 'me.github.io')
  test.equal(s.psl_domain 'co.uk', nil)
  test.equal(s.psl_domain '192.0.2.1', nil)
end)

test('templates', function()
  local context = { name = '<b>', list = { 1, 2 }, n = 1500, deep = { x = true } }
  test.equal(s.eval_template('a.txt', 'Hi {{ name }}{% for i in list %} {{ i }}{% endfor %}', context), 'Hi <b> 1 2')
  test.equal(s.eval_template('a.html', '{{ name }} {{ deep.x }}', context), '&lt;b&gt; true')
  test.equal(s.eval_template('x', '{{ name.upper() }} {{ n|filesizeformat }} dog{{ list|pluralize }}', context), '<B> 1.5 kB dogs')
  test.equal(s.eval_template('x', '{{ t|datetimeformat }}', { t = 1767225600 }), 'Jan 1 2026 00:00')
  test.equal(s.eval_template('x', '{% set leak = 1 %}{{ now() > 1700000000 }}', {}), 'true')
  test.equal(s.eval_template('x', '{{ leak }}{{ name }}', {}), '')
  test.equal(s.eval_template('x', '{{ r|normalize_smtp_response }}', { r = 'from 192.0.2.1' }), 'from {ipaddr}')
  test.equal(s.eval_template('x', 'Hi {{name}} {{{name}}}{{#each list}} {{this}}{{/each}}', context, 'Handlebars'), 'Hi &lt;b&gt; <b> 1 2')
  test.equal(s.eval_template('x', 'Hi {{name}}', context, 'Static'), 'Hi {{name}}')
  test.equal(s.eval_template('x', '{{ constructor }}|{{ missing }}', context), '|')
  test.equal(s.eval_template('x', '{{constructor}}|{{toString}}', context, 'Handlebars'), '|')
  test.raises('syntax error', s.eval_template, 'x', '{{ nope( }}', {})
  test.raises('Parse error', s.eval_template, 'x', '{{#each}', {}, 'Handlebars')
  test.raises('fuel', s.eval_template, 'x', '{% for i in range(100000) %}{% for j in range(100000) %}.{% endfor %}{% endfor %}', {})
  test.raises('one of Jinja', s.eval_template, 'x', '', {}, 'Other')
end)

test('replies of remote servers', function()
  local normal = s.normalize_smtp_response
  test.equal(normal '550 5.1.1 <me@example.com> unknown', '550 5.1.1 <{email}> unknown')
  test.equal(normal 'queued as 4bF2gq3Yz0X9, from [192.0.2.1] (2001:db8::1)', 'queued as {base64}, from [{ipaddr}] ({ipaddr})')
  test.equal(normal 'id=de305d54-75b4-431b-adb2-eb6b9e546014 t=2026-01-01T00:00:00Z', 'id={uuid} t={timestamp}')
  test.equal(normal 'hash da39a3ee5e6b4b0d3255bfef95601890afd80709.', 'hash {hash}.'  )
  test.equal(normal 'Mailbox full, try later', 'Mailbox full, try later')
end)
