-- over
local s = string.rep('x', 10000000)
while true do kumo.encode.base64_encode(s) end
