-- Times, regular expressions, sqlite, templates.
local kumo = require 'kumo'
local sqlite = require 'sqlite'
local test = require 'testing'
local time, regex = kumo.time, kumo.regex

test('fields of a time', function()
  local t = time.with_ymd_hms(2024, 2, 29, 23, 59, 58)
  test.equal({ t.year, t.month, t.day, t.hour, t.minute, t.second }, { 2024, 2, 29, 23, 59, 58 })
  test.equal({ t.unix_timestamp, t.unix_timestamp_millis }, { 1709251198, 1709251198000 })
  test.equal({ t.rfc2822, t.rfc3339, tostring(t) }, { 'Thu, 29 Feb 2024 23:59:58 +0000', '2024-02-29T23:59:58+00:00', '2024-02-29 23:59:58 UTC' })
  test.equal(tostring(time.from_unix_timestamp(1)), '1970-01-01 00:00:01 UTC')
  test.equal(t.elapsed.seconds > 1e7, true)
  test.equal(math.type(time.now().unix_timestamp), 'integer')
  test.equal(time.now().elapsed.seconds < 60, true)
end)

test('times are read', function()
  test.equal(time.parse_rfc3339('2024-01-02T03:04:05+02:00').rfc3339, '2024-01-02T01:04:05+00:00')
  test.equal(time.parse_rfc3339('2024-01-02T03:04:05.250Z').unix_timestamp_millis, 1704164645250)
  test.equal(time.parse_rfc2822('Tue, 02 Jan 2024 03:04:05 +0200').unix_timestamp, 1704157445)
  test.equal(time.from_unix_timestamp(1704157445.0).hour, 1)
  for _, wrong in ipairs { 'x', '2024-13-01T00:00:00Z', '2024-01-02', '' } do test.raises('', time.parse_rfc3339, wrong) end
  test.raises('', time.parse_rfc2822, 'yesterday')
  test.raises('', time.with_ymd_hms, 2023, 2, 29, 0, 0, 0)
  test.raises('', time.with_ymd_hms, 2023, 13, 1, 0, 0, 0)
end)

test('arithmetic of times', function()
  local a, b = time.from_unix_timestamp(100), time.from_unix_timestamp(160)
  local minute = time.parse_duration '1m'
  test.equal({ a + minute == b, b - minute == a, b - a == minute, a == b }, { true, true, true, false })
  test.equal({ (b - a).seconds, (a - b).seconds }, { 60.0, -60.0 })
  test.equal({ (minute + minute).seconds, (minute - time.parse_duration(10)).seconds }, { 120.0, 50.0 })
  test.raises('', function() return a + b end)
  test.equal(a:format '%Y/%m/%d %H:%M:%S %j %a', '1970/01/01 00:01:40 001 Thu')
end)

test('fields of a time delta', function()
  local d = time.parse_duration '1500ms'
  test.equal({ d.seconds, d.milliseconds, d.microseconds, d.nanoseconds }, { 1.5, 1500, 1500000, 1500000000 })
  test.equal(math.type(time.parse_duration(5).seconds), 'float')
  test.equal(type(d.human), 'string')
  test.equal(type(tostring(d)), 'string')
end)

test('a timer ends once', function()
  local timer = time.start_timer 'reference'
  test.equal(type(timer:done()), 'number')
  test.equal(timer:done(), nil)
  do
    local closing <close> = time.start_timer 'reference'
  end
end)

test('regex: match, find, captures', function()
  local re = regex.compile [[(?P<word>[a-z]+)(\d+)?(?P<tail>!)?]]
  test.equal({ re:is_match '123', re:is_match '1a', re:find '12ab3', re:find '12' }, { false, true, 'ab3' })
  test.equal(re:find_all 'ab1 cd', { 'ab1', 'cd' })
  test.equal(regex.compile('x'):find_all 'a', {})
  test.equal(re:captures '-ab1-', { [0] = 'ab1', 'ab', '1', word = 'ab' })
  test.equal(re:captures 'ab!', { [0] = 'ab!', 'ab', [3] = '!', word = 'ab', tail = '!' })
  test.equal(re:captures '123', nil)
  test.raises('', regex.compile, '(')
  test.equal(regex.compile('(?i)HELLO'):is_match 'hello', true)
  test.equal(regex.compile('^ä.$'):find 'äö', 'äö')
end)

test('regex: replace and split', function()
  local re = regex.compile [[(?P<a>\w)(\w)]]
  test.equal(re:replace('ab cd', '$2$a'), 'ba cd')
  test.equal(re:replace_all('ab cd', '${a}x$$'), 'ax$ cx$')
  test.equal({ re:replacen('ab cd ef', 2, '-'), re:replacen('ab cd ef', 0, '-') }, { '- - ef', '- - -' })
  test.equal({ re:replace('ab', '$ax'), re:replace('ab', '$1_'), re:replace('ab', '${1}_'), re:replace('ab', '$9') }, { '', '', 'a_', '' })
  test.equal(regex.compile(','):split ',a,,b,', { '', 'a', '', 'b', '' })
  test.equal(regex.escape 'a.b*', [[a\.b\*]])
end)

local function open(directory)
  return sqlite.open(directory .. '/a.db')
end

test('sqlite: what statements give', function(directory)
  local db = open(directory)
  db:execute 'CREATE TABLE t (a INTEGER, b TEXT, c REAL, d BLOB)'
  test.equal(db:execute([[INSERT INTO t VALUES (?, ?, ?, ?), (2, 'y', 2.0, NULL)]], 1, 'x', 1.5, '\xff\0'), 2)
  test.equal(db:execute 'UPDATE t SET b = b', 2)
  test.equal(db:execute 'SELECT b FROM t ORDER BY a', { 'x', 'y' })
  test.equal(db:execute 'SELECT a FROM t ORDER BY a', { 1, 2 })
  test.equal(db:execute 'SELECT * FROM t ORDER BY a', { { a = 1, b = 'x', c = 1.5, d = '\xff\0' }, { a = 2, b = 'y', c = 2.0 } })
  test.equal(db:execute 'SELECT a, b FROM t WHERE a = 1', { { a = 1, b = 'x' } })
  test.equal({ db:execute 'SELECT a FROM t WHERE a = 9', db:execute 'SELECT a, b FROM t WHERE a = 9' }, { {}, {} })
  test.equal(db:execute 'DELETE FROM t WHERE a = 9', 0)
  db:close()
  test.raises('', db.execute, db, 'SELECT 1')
end)

test('sqlite: parameters', function(directory)
  local db = open(directory)
  db:execute 'CREATE TABLE t (a, b)'
  db:execute('INSERT INTO t VALUES (?, ?)', 1, 'one')
  db:execute('INSERT INTO t VALUES (?, ?)', { 2, 'two' })
  db:execute('INSERT INTO t VALUES (:a, :b)', { a = 3, b = 'three' })
  db:execute('INSERT INTO t VALUES (?1, ?1)', 4)
  db:execute('INSERT INTO t VALUES (?, ?)', 5, nil)
  test.equal(db:execute 'SELECT b FROM t WHERE a < 4 ORDER BY a', { 'one', 'two', 'three' })
  test.equal(db:execute 'SELECT b FROM t WHERE a = 4', { 4 })
  test.equal(db:execute 'SELECT a, b FROM t WHERE a = 5', { { a = 5 } })
  test.equal(db:execute('SELECT count(*) FROM t', nil), { 5 })
  test.raises('', db.execute, db, 'INSERT INTO t VALUES (?, ?)', 1, true)
  test.raises('', db.execute, db, 'INSERT INTO t VALUES (?, ?)', 1, { 1 })
  test.raises('', db.execute, db, 'NO SQL')
end)

test('sqlite: numbers', function(directory)
  local db = open(directory)
  local row = db:execute('SELECT ? AS i, ? AS f, ? AS big, ? AS whole', 7, 0.5, 9007199254740991, 3000000000)[1]
  test.equal({ row.i, row.f, row.big, row.whole }, { 7, 0.5, 9007199254740991, 3000000000 })
  test.equal(db:execute 'SELECT 5', { 5 })
  test.equal(db:execute('SELECT typeof(?)', 7), { 'integer' })
  test.equal(db:execute('SELECT typeof(?)', 7.5), { 'real' })
  test.equal(db:execute('SELECT typeof(?)', 'x'), { 'text' })
  test.equal(sqlite.open(':memory:', 100):execute 'SELECT 1', { 1 })
  test.raises('', sqlite.open, directory .. '/no/such/dir/a.db')
end)

test('templates', function()
  local eval = kumo.string.eval_template
  test.equal(eval('t', 'Hi {{ name }}{% for v in list %} {{ v }}{% endfor %}', { name = 'Ann', list = { 1, 2 } }), 'Hi Ann 1 2')
  test.equal(eval('t', '{{ name|upper }} {{ "a,b".split(",")|length }}', { name = 'Ann' }, 'Jinja'), 'ANN 2')
  test.equal(eval('t', 'Hi {{name}} {{#each list}}{{this}};{{/each}}', { name = 'Ann', list = { 1, 2 } }, 'Handlebars'), 'Hi Ann 1;2;')
  test.equal(eval('t', 'Hi {{ name }}', { name = 'Ann' }, 'Static'), 'Hi {{ name }}')
  test.equal({ eval('t.html', '{{ v }}', { v = '<a>' }), eval('t.txt', '{{ v }}', { v = '<a>' }), eval('t.json', '{{ v }}', { v = 'a"b' }) }, { '&lt;a&gt;', '<a>', '"a\\"b"' })
  test.equal(eval('t', '{{ 1500000|filesizeformat }}{{ 2|pluralize }}', {}), '1.5 MBs')
  test.equal(type(eval('t', '{{ v|normalize_smtp_response }}', { v = '550 10.0.0.1 refused' })), 'string')
  test.raises('', eval, 't', '{{ unclosed', {})
  test.raises('', eval, 't', 'x', {}, 'Mustache')
end)
