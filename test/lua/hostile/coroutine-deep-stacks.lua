-- over: memory|cpu_time
local t = {}
local function deep(n) if n > 0 then return 1 + deep(n - 1) end coroutine.yield() end
while true do
  t[#t + 1] = coroutine.create(deep)
  coroutine.resume(t[#t], 15000)
end
