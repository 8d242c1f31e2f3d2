-- over
local s = string.rep('x = 1 ', 1000000)
return load(s)
