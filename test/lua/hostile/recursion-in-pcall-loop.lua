-- over: cpu_time|memory|unbroken_time
local function f() return 1 + f() end
while true do pcall(f) end
