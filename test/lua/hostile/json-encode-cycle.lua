-- contained
local t = {}
t.t = t
return pcall(kumo.serde.json_encode, t)
