-- contained
return pcall(string.format, '%' .. string.rep('9', 100) .. 'd', 1), pcall(string.format, '%99.99f', 1e300)
