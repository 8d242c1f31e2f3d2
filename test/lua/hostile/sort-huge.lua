-- over
local t = {}
for i = 1, 150000 do t[i] = (i * 7919) % 150001 end
while true do table.sort(t) end
