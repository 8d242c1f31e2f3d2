-- over: cpu_time|memory|unbroken_time
local function h() xpcall(error, h) end
while true do h() end
