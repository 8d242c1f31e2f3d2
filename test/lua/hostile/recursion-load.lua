-- contained
local s = 'return load(...)(...)'
pcall(load(s), s)
