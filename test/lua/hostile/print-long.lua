-- contained
print(string.rep('x', 1000000))
