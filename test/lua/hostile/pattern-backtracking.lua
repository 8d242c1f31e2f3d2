-- over
return string.rep('a', 40):find(string.rep('a-', 6) .. 'b')
