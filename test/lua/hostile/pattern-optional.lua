-- over
return string.rep('a', 28):find(string.rep('a?', 28) .. string.rep('a', 28) .. 'b')
