-- over
local s = string.rep('x', 5000000)
while true do kumo.digest.sha256(s) end
