-- over
return #string.pack(string.rep('i8', 1000000), 1)
