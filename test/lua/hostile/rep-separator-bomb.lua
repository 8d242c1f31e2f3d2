-- raises: too large
return string.rep('', 1e8, string.rep('y', 1000))
