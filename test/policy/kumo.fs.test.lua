local kumo = require 'kumo'
local sqlite = require 'sqlite'
local test = require 'testing'
local fs = kumo.fs

local function write(path, text)
  local file = fs.open(path, 'w')
  file:write(text)
  file:close()
end

test('reading, writing and seeking', function(directory)
  local path = directory .. '/a.txt'
  write(path, 'hello\xffworld')
  local file = fs.open(path)
  test.equal(file:read(5), 'hello')
  test.equal(file:read(), '\xffworld')
  test.equal(file:read(), '')
  test.equal(file:seek('set', 1), 1)
  test.equal(file:read(2), 'el')
  test.equal(file:seek(), 3)
  test.equal(file:seek('end', -2), 9)
  test.equal(file:read(), 'ld')
  file:close()
  test.raises('is closed', file.read, file)

  local appended = fs.open(path, 'ab')
  appended:write '!'
  appended:flush()
  appended:close()
  test.equal(fs.open(path):read(), 'hello\xffworld!')
  test.raises('ENOENT', fs.open, directory .. '/none')
  test.raises('is no mode', fs.open, path, 'x')
end)

test('directories and patterns', function(directory)
  write(directory .. '/b.lua', '')
  write(directory .. '/a.lua', '')
  write(directory .. '/c.txt', '')
  test.equal(fs.read_dir(directory), { directory .. '/a.lua', directory .. '/b.lua', directory .. '/c.txt' })
  test.equal(fs.uncached_glob('*.lua', directory), { 'a.lua', 'b.lua' })
  test.equal(fs.glob(directory .. '/*.txt'), { directory .. '/c.txt' })
  write(directory .. '/d.txt', '')
  test.equal(#fs.glob(directory .. '/*.txt'), 1)
  test.equal(#fs.uncached_glob(directory .. '/*.txt'), 2)
  test.equal(kumo.read_dir(directory)[1], directory .. '/a.lua')
  test.raises('ENOENT', fs.read_dir, directory .. '/none')
end)

test('metadata', function(directory)
  write(directory .. '/a', 'xyz')
  local found = fs.metadata_for_path(directory .. '/a')
  test.equal({ found.is_file, found.is_dir, found.is_symlink, found.len, found.nlink }, { true, false, false, 3, 1 })
  test.equal(found.mtime.year >= 2024, true)
  test.equal(fs.symlink_metadata_for_path(directory).is_dir, true)
end)

test('sqlite', function(directory)
  local db = sqlite.open(directory .. '/x.db')
  test.equal(db:execute 'CREATE TABLE t (name TEXT, n INTEGER, b BLOB)', 0)
  test.equal(db:execute('INSERT INTO t VALUES (?, ?, ?)', 'a', 5, '\xff'), 1)
  test.equal(db:execute('INSERT INTO t VALUES (?, ?, NULL)', { 'b', 2.5 }), 1)
  test.equal(db:execute('INSERT INTO t VALUES (:name, :n, NULL)', { name = 'c', n = 3000000000 }), 1)
  test.equal(db:execute 'SELECT name FROM t ORDER BY name', { 'a', 'b', 'c' })
  test.equal(db:execute('SELECT * FROM t WHERE name = ?', 'a'), { { name = 'a', n = 5, b = '\xff' } })
  test.equal(db:execute('SELECT n, b FROM t WHERE name <> ?1 ORDER BY n', 'a'), { { n = 2.5 }, { n = 3000000000 } })
  test.equal(db:execute('SELECT typeof(n) FROM t ORDER BY name', nil), { 'integer', 'real', 'integer' })
  test.equal(db:execute 'SELECT name FROM t WHERE 0', {})
  test.equal(db:execute 'DELETE FROM t', 3)
  test.raises('syntax error', db.execute, db, 'SELEC')
  test.raises('expected nil, a number or a string', db.execute, db, 'SELECT ?', true)
  db:close()
  test.raises('not open', db.execute, db, 'SELECT 1')
end)

test('sqlite waits for a lock, but not for ever', function(directory)
  local one, two = sqlite.open(directory .. '/x.db'), sqlite.open(directory .. '/x.db', 20)
  one:execute 'CREATE TABLE t (n)'
  one:execute 'BEGIN EXCLUSIVE'
  test.raises('database is locked', two.execute, two, 'INSERT INTO t VALUES (1)')
  one:execute 'COMMIT'
  test.equal(two:execute 'INSERT INTO t VALUES (1)', 1)
end)
