-- over: cpu_time|memory|unbroken_time
local f
f = function() while true do pcall(pcall, pcall, f) end end
pcall(f)
