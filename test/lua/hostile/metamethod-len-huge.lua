-- over
return table.concat(setmetatable({}, { __len = function() return 2 ^ 50 // 1 end, __index = function() return 'x' end }))
