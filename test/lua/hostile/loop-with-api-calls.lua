-- over: cpu_time
while true do kumo.policy.version() end
