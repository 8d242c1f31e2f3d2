-- raises: overflow
local function f() return kumo.memoize and error(setmetatable({}, { __tostring = f })) end
local x = setmetatable({}, { __index = function(t, k) return t[k .. 'x'] end })
return x.a
