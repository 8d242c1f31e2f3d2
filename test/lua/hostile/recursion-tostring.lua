-- raises: overflow
local x
x = setmetatable({}, { __tostring = function() return tostring(x) end })
return string.format('%s', x)
