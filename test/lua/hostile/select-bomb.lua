-- over: cpu_time
local t = {}
for i = 1, 1000 do t[i] = i end
while true do for i = 1, 1000 do select(i, table.unpack(t)) end end
