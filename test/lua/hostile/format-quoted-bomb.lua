-- over
local s = string.rep('\0', 8000000)
return #string.format('%q', s)
