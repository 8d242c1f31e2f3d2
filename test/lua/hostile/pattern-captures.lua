-- contained
return pcall(string.find, 'x', string.rep('(', 100))
