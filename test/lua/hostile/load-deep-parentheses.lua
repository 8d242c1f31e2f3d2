-- contained
return load('return ' .. string.rep('(', 20000) .. '1' .. string.rep(')', 20000))
