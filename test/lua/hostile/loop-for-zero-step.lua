-- over
for i = 1, 2 ^ 52 do local x = i end
