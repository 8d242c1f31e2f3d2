-- over
local t = {}
for i = 1, 1e9 do t[string.rep('k', 100000) .. i] = true end
