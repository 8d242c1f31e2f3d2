-- raises: too large
return string.rep('x', 1e9)
