-- contained
local n = 0
local function f() n = n + 1 return pcall(f) end
f()
return n > 10
