-- over: memory|cpu_time
for i = 1, 1e9 do _G['g' .. i] = i end
