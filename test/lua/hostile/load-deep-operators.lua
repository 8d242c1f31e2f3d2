-- contained
return load('return ' .. string.rep('not ', 30000) .. '1'), load('return ' .. string.rep('2 ^ ', 30000) .. '1'), load('return ' .. string.rep("'x' .. ", 30000) .. '1')
