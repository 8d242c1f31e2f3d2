-- contained
return load(string.rep('do ', 20000) .. string.rep('end ', 20000))
