-- over
local f = string.rep('%s', 100)
local t = {}
for i = 1, 100 do t[i] = string.rep('x', 10000) end
local all = {}
while true do all[#all + 1] = string.format(f, table.unpack(t)) end
