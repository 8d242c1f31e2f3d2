-- contained
return string.rep('', 2 ^ 52 // 1)
