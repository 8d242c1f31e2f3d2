-- raises: overflow
local function f() table.sort({ 1, 2, 3 }, f) return false end
f()
