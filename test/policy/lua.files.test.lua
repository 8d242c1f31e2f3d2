local test = require 'testing'

local function write(path, text)
  local file = assert(io.open(path, 'wb'))
  test.equal(file:write(text) == file, true)
  test.equal(file:close(), true)
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read 'a'
end

test('writing, reading and appending', function(directory)
  local path = directory .. '/a.txt'
  local file = assert(io.open(path, 'w'))
  file:write('one\n', 2, ' ', 2.5, '\n'):write '\xff\0three'
  file:close()
  test.equal(read(path), 'one\n2 2.5\n\xff\0three')
  file = assert(io.open(path, 'a'))
  file:write '!'
  file:close()
  test.equal(read(path), 'one\n2 2.5\n\xff\0three!')
  file = assert(io.open(path, 'r+'))
  test.equal(file:read 'l', 'one')
  file:write 'TWO'
  test.equal(file:read 'a', '.5\n\xff\0three!')
  test.equal(file:seek 'set', 0)
  test.equal(file:read 'a', 'one\nTWO.5\n\xff\0three!')
  file:close()
  file = assert(io.open(path, 'w+'))
  file:write 'new'
  test.equal(file:seek('set', 1), 1)
  test.equal(file:read(5), 'ew')
  test.equal(file:read(5), nil)
end)

test('every format', function(directory)
  local path = directory .. '/f'
  write(path, 'first\nsecond\n 12 -0x1F 1.5e2x\n\nlast')
  local file = assert(io.open(path))
  test.equal({ file:read('l', 'L') }, { 'first', 'second\n' })
  test.equal({ file:read('n', 'n', 'n') }, { 12, -31, 150.0 })
  test.equal(file:read(1), 'x')
  test.equal({ file:read('*l', '*L') }, { '', '\n' })
  test.equal(file:read(0), '')
  test.equal({ file:read(2, 'a') }, { 'la', 'st' })
  test.equal(file:read 'a', '')
  test.equal(file:read(0), nil)
  test.equal(file:read 'l', nil)
  test.equal(select('#', file:read('l', 'l')), 1)
  test.raises("bad argument #2 to 'read' (invalid format)", file.read, file, 'q')
  file:close()
  write(path, 'no number')
  file = assert(io.open(path))
  test.equal(file:read 'n', nil)
end)

test('lines', function(directory)
  local path = directory .. '/l'
  write(path, 'a\nb\n\nc')
  local seen = {}
  for line in io.lines(path) do
    seen[#seen + 1] = line
  end
  test.equal(seen, { 'a', 'b', '', 'c' })
  seen = {}
  for one, two in io.lines(path, 1, 'L') do
    seen[#seen + 1] = one .. '|' .. tostring(two)
  end
  test.equal(seen, { 'a|\n', 'b|\n', '\n|c' })
  local next_line = io.lines(path, 'a')
  test.equal(next_line(), 'a\nb\n\nc')
  local file = assert(io.open(path))
  for line in file:lines() do
    test.equal(line, 'a')
    break
  end
  test.equal(file:read(), 'b')
  local every = file:lines 'L'
  test.equal({ every(), every(), every() }, { '\n', 'c' })
  test.equal(io.type(file), 'file')
  file:close()
  test.raises('file is already closed', every)
  test.raises('/none: No such file or directory', io.lines, directory .. '/none')
end)

test('failures are nil, text and errno', function(directory)
  test.equal({ io.open(directory .. '/none') }, { nil, directory .. '/none: No such file or directory', 2 })
  test.equal({ io.open(directory .. '/none/x', 'w') }, { nil, directory .. '/none/x: No such file or directory', 2 })
  local file = assert(io.open(directory))
  test.equal({ file:read(1) }, { nil, 'Is a directory', 21 })
  write(directory .. '/x', 'x')
  file = assert(io.open(directory .. '/x'))
  test.equal({ file:write 'y' }, { nil, 'Bad file descriptor', 9 })
  test.equal({ file:seek('set', -1) }, { nil, 'Invalid argument', 22 })
  test.raises("bad argument #2 to 'open' (invalid mode)", io.open, directory, 'rz')
  test.raises("bad argument #1 to 'open' (string expected)", io.open)
  file:close()
  test.raises('attempt to use a closed file', file.read, file)
  test.raises('attempt to use a closed file', file.close, file)
  test.raises('FILE* expected', file.read, {})
end)

test('kinds, names and <close>', function(directory)
  write(directory .. '/x', '')
  local outer
  do
    local file <close> = assert(io.open(directory .. '/x'))
    outer = file
    test.matches(file, '^file %(')
  end
  test.equal(io.type(outer), 'closed file')
  test.equal(tostring(outer), 'file (closed)')
  test.equal(io.type(io.stdout), 'file')
  test.equal(io.type 'x', nil)
  test.equal(outer.nothing, nil)
end)

test('standard streams', function(directory)
  test.equal({ io.read() }, { nil, 'standard input is not available to policy', 9 })
  test.equal({ io.stdin:read 'a' }, { nil, 'standard input is not available to policy', 9 })
  test.equal(io.output() ~= nil, true)
  test.equal({ io.close() }, { nil, 'cannot close standard file', 22 })
  io.output(directory .. '/out')
  io.write('a', 1)
  io.close()
  io.output(io.stdout)
  test.equal(read(directory .. '/out'), 'a1')
  io.input(directory .. '/out')
  test.equal(io.read 'a', 'a1')
  io.input(io.stdin)
  test.raises('io.popen is not available', io.popen, 'true')
end)

test('os.remove, os.rename, os.tmpname and io.tmpfile', function(directory)
  local a, b = directory .. '/a', directory .. '/b'
  write(a, 'x')
  test.equal(os.rename(a, b), true)
  test.equal(read(b), 'x')
  test.equal({ os.rename(a, b) }, { nil, a .. ': No such file or directory', 2 })
  test.equal(os.remove(b), true)
  test.equal({ os.remove(b) }, { nil, b .. ': No such file or directory', 2 })
  local name = os.tmpname()
  test.equal(read(name), '')
  test.equal(os.remove(name), true)
  local file = assert(io.tmpfile())
  file:write 'kept'
  file:seek 'set'
  test.equal(file:read 'a', 'kept')
  test.equal(file:setvbuf 'full', true)
  test.equal(file:flush() == file, true)
  file:close()
end)

test('at most 256 files are open, and closed ones make room', function(directory)
  write(directory .. '/x', '')
  local held = {}
  local file, text, errno = true, nil, nil
  while file and #held < 300 do
    file, text, errno = io.open(directory .. '/x')
    held[#held + 1] = file
  end
  test.equal(errno, 24)
  test.matches(text, 'Too many open files$')
  for _, one in ipairs(held) do
    one:close()
  end
  assert(io.open(directory .. '/x')):close()
end)

test('many lines', function(directory)
  local path = directory .. '/many'
  local file = assert(io.open(path, 'w'))
  file:write((('x'):rep(99) .. '\n'):rep(2000))
  file:close()
  local count = 0
  for line in io.lines(path) do
    count = count + #line
  end
  test.equal(count, 99 * 2000)
end)
