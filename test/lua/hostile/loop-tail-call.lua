-- over: cpu_time
local function f() return f() end f()
