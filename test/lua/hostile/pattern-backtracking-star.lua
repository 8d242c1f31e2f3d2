-- over
return string.rep('a', 5000):find(string.rep('a*', 8) .. 'b')
