-- over
local s = string.rep('a,', 2000000)
while true do kumo.string.split(s, ',') end
