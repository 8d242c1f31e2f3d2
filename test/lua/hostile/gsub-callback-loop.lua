-- over: cpu_time
string.gsub('abc', '.', function() while true do end end)
