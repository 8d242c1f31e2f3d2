-- contained
return load('if x then ' .. string.rep('elseif x then ', 300) .. ' end')
