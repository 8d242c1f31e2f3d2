-- over: cpu_time
table.sort({ 2, 1 }, coroutine.wrap(function() while true do end end))
