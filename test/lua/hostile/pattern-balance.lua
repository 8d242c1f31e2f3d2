-- over
return string.rep('(', 1000000):find('%b()')
