-- over
while true do for w in string.rep('a ', 100000):gmatch('%a+') do end end
