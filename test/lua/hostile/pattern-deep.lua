-- contained
return pcall(string.find, string.rep('x', 1000), string.rep('x?', 1000))
