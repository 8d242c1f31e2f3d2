-- over: cpu_time
local function stubborn() while true do end end
while true do
  pcall(stubborn)
  xpcall(stubborn, stubborn)
  coroutine.resume(coroutine.create(stubborn))
  pcall(coroutine.wrap(stubborn))
  pcall(table.sort, { 3, 2, 1 }, stubborn)
  pcall(string.gsub, 'abc', '.', stubborn)
end
