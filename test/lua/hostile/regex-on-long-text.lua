-- over
local re = kumo.regex.compile('(a|b|ab)*c')
local s = string.rep('ab', 2000000)
while true do re:is_match(s) end
