-- over: unbroken_time
return load(function() while true do end end)
