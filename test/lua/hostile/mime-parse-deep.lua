-- contained
local s = ''
for i = 1, 2000 do s = s .. 'Content-Type: multipart/mixed; boundary=b' .. i .. '\r\n\r\n--b' .. i .. '\r\n' end
return pcall(kumo.mimepart.parse, s)
