-- contained
local s = 'a0: &a0 [x]\n'
for i = 1, 30 do s = s .. 'a' .. i .. ': &a' .. i .. ' [*a' .. i - 1 .. ', *a' .. i - 1 .. ']\n' end
return pcall(kumo.serde.yaml_parse, s)
