-- over
local t = {}
for i = 1, 50000 do t[i] = i end
while true do table.sort(t, function() return math.random() < 0.5 end) end
