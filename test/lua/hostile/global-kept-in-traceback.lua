-- contained
for i = 1, 100000 do _G['g' .. i] = function() end end
error('where is it')
