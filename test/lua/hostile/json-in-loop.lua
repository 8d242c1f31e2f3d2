-- over
local t = {}
for i = 1, 2000 do t[i] = i end
while true do kumo.serde.json_encode(t) end
