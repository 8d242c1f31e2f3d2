-- over
local s = string.rep('X-Header: y\r\n', 1000000) .. '\r\nbody'
while true do kumo.mimepart.parse(s) end
