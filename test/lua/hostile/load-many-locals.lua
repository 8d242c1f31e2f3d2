-- contained
return load(string.rep('local x ', 500))
