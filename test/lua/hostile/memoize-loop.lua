-- over: cpu_time
kumo.memoize(function() while true do end end, { name = 'hostile', ttl = '1 hour', capacity = 10 })()
