-- over
local s = string.rep('x', 8000000)
while true do utf8.len(s) end
