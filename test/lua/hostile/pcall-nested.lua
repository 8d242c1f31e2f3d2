-- over: cpu_time|memory|unbroken_time
local function f() pcall(f) while true do end end
f()
