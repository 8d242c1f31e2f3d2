-- over: cpu_time
while true do pcall(error, 'x') end
