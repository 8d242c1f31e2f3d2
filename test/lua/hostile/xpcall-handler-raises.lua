-- over: cpu_time|memory|unbroken_time
while true do xpcall(error, function() error('again') end) end
