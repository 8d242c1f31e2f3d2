-- over
local a, b = string.rep('x', 8000000) .. 'a', string.rep('x', 8000000) .. 'b'
while true do local x = a < b or a == b end
