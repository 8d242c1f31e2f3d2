-- over
local s = 'ab'
while true do s = s:gsub('.', function(c) return c .. c end) end
