-- contained
assert(string.dump == nil and debug.sethook == nil and debug.getregistry == nil and debug.setmetatable == nil)
assert(package.loadlib == nil and not pcall(os.execute) and not pcall(os.exit) and not pcall(io.popen))
assert(not pcall(load, function() return 1 end))
local mt = getmetatable('')
assert(mt == nil or mt == false or type(mt) == 'table')
