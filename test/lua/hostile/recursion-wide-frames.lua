-- contained
local function f(...) local a, b, c, d, e, g = ... return 1 + f(a, b, c, d, e, g, ...) end
f(1)
