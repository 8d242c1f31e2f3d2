-- over
local s = string.rep('x', 20000)
return #s:gsub('.', string.rep('%0', 20000))
