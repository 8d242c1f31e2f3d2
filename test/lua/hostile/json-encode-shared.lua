-- over
local t = { 'x' }
for i = 1, 40 do t = { t, t } end
return #kumo.serde.json_encode(t)
