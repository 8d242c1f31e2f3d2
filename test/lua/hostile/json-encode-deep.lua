-- contained
local t = {}
local inner = t
for i = 1, 50000 do inner[1] = {} inner = inner[1] end
return pcall(kumo.serde.json_encode, t)
