-- contained
error(string.rep('x', 15000000))
