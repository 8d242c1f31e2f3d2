-- over
local t = {}
for i = 1, 2000 do t[i] = string.rep('x', 100) end
local s = table.concat(t)
for i = 1, 2000 do t[i] = s end
return table.concat(t)
