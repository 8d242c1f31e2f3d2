-- contained
return pcall(kumo.regex.compile, string.rep('(a|b){1,1000}', 1000))
