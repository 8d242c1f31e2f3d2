-- raises: too large
return string.rep('abc', 2 ^ 52 // 1)
