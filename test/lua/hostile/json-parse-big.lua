-- over
local s = '[' .. string.rep('1,', 2000000) .. '1]'
while true do kumo.serde.json_parse(s) end
