-- over
while true do string.rep('a', 1000000):find('%f[b]') end
