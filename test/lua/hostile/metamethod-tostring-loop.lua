-- over: unbroken_time
return tostring(setmetatable({}, { __tostring = function() while true do end end }))
