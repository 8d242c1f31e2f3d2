-- over
return load('return [[' .. string.rep('x', 15000000) .. ']]')
