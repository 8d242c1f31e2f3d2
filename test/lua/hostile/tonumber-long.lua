-- over
while true do local x = tonumber(string.rep('9', 5000000)) or tonumber('0x' .. string.rep('f', 5000000)) end
