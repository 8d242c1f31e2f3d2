-- over: cpu_time
load('while true do end')()
