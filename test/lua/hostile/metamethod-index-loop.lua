-- over: cpu_time
local t = setmetatable({}, { __index = function(_, k) while true do end end })
return t.x
