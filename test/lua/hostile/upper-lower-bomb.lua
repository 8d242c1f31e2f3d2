-- over
local s = string.rep('x', 15000000)
while true do s = s:upper():lower():reverse() end
