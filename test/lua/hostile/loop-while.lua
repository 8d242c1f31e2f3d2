-- over: cpu_time
while true do end
