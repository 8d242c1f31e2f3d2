-- over
while true do pcall(string.packsize, string.rep('b', 1000000)) end
